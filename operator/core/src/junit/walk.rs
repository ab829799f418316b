//! From the parser's events to a report: which elements are open, and what each adds when it closes.

use std::io::{self, BufRead};

use quick_xml::{
    Reader,
    errors::Error,
    events::{BytesDecl, BytesStart, Event},
};

use super::{
    Fault, Limits, Report,
    attributes::{Attributes, LONGEST_NAME},
    element::{Case, Element, Suite, Verdict},
    lexer::OUTSIDE,
    sieve::Sieve,
    tally::Tally,
    text::Text,
};

/// The longest name of an element, in bytes: every open one is kept.
const LONGEST_ELEMENT: usize = 256;

/// How much of a text or a value the parser is shown, in bytes for each byte of a message that is kept:
/// the longest of the five entities takes six.
const ESCAPED: usize = 8;

/// Names are kept at this length even where no message is.
const LEAST_SHOWN: usize = 8 << 10;

/// The most of it: a quarter of what makes an event too long.
const MOST_SHOWN: usize = 256 << 10;

/// Reads a report.
pub(super) fn walk(input: impl BufRead, limits: &Limits) -> Result<Report, Fault> {
    let shown = limits.text.saturating_mul(ESCAPED).clamp(LEAST_SHOWN, MOST_SHOWN);
    let mut reader = Reader::from_reader(Sieve::new(input, limits.bytes, shown));
    reader.config_mut().expand_empty_elements = true;
    let mut walk = Walk::new(limits);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        walk.line = reader.get_mut().begin();
        let event = reader.read_event_into(&mut buffer);
        match event {
            Ok(Event::Eof) => return walk.end(),
            Ok(event) => walk.take(&event)?,
            Err(error) => return Err(walk.stopped(reader.get_mut(), error)),
        }
    }
}

struct Walk<'limits> {
    limits: &'limits Limits,
    /// From the root inwards.
    open: Vec<Open>,
    rooted: bool,
    tally: Tally<'limits>,
    /// The line that the event begins in.
    line: u64,
}

/// An open element.
struct Open {
    name: String,
    line: u64,
    element: Element,
}

impl<'limits> Walk<'limits> {
    fn new(limits: &'limits Limits) -> Self {
        Self { limits, open: Vec::new(), rooted: false, tally: Tally::new(limits), line: 1 }
    }

    fn take(&mut self, event: &Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Start(tag) | Event::Empty(tag) => self.start(tag),
            Event::End(_) => self.close(),
            Event::Text(text) => self.text(text),
            Event::CData(text) => self.text(text),
            Event::GeneralRef(name) => self.reference(name),
            Event::Decl(declaration) => self.declared(declaration),
            Event::DocType(_) => Err(Fault::DeclareDoctype { line: self.line }),
            Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn broken(&self, problem: &str) -> Fault {
        let mut text = Text::new(200);
        text.push(problem);
        Fault::BreakXml { line: self.line, problem: text.done() }
    }

    fn declared(&self, declaration: &BytesDecl<'_>) -> Result<(), Fault> {
        let name = match declaration.encoding() {
            None => return Ok(()),
            Some(Ok(name)) => name,
            Some(Err(error)) => return Err(self.broken(&error.to_string())),
        };
        let known = ["utf-8", "utf8", "us-ascii", "ascii"];
        if known.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            return Ok(());
        }
        let mut text = Text::new(64);
        text.push(&name);
        Err(Fault::DeclareEncoding { name: text.done() })
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), Fault> {
        let line = self.line;
        if tag.name().as_ref().len() > LONGEST_ELEMENT {
            let limit = u64::try_from(LONGEST_ELEMENT).unwrap_or_default();
            return Err(Fault::PassTag { limit, line });
        }
        if u32::try_from(self.open.len()).is_ok_and(|depth| depth >= self.limits.depth) {
            return Err(Fault::PassDepth { limit: self.limits.depth, line });
        }
        let name = tag.local_name().as_ref().to_owned();
        self.root(&name)?;
        let attributes = Attributes::of(tag, self.limits.text.max(LONGEST_NAME));
        let attributes = attributes.map_err(|problem| self.broken(&problem))?;
        let element = self.element(&name, &attributes)?;
        self.open.push(Open { name, line, element });
        Ok(())
    }

    /// Looks at an element that stands in no other.
    fn root(&mut self, name: &str) -> Result<(), Fault> {
        if !self.open.is_empty() {
            return Ok(());
        }
        if self.rooted {
            return Err(self.broken("a second root begins where the report should end"));
        }
        self.rooted = true;
        match name {
            "testsuites" | "testsuite" => Ok(()),
            _ => Err(Fault::BeginWith { root: name.to_owned() }),
        }
    }

    /// What an element is, by its name and by the one that it stands in.
    fn element(&mut self, name: &str, attributes: &Attributes) -> Result<Element, Fault> {
        let around = self.open.iter().rev().find_map(|open| open.element.suite());
        match name {
            "testsuites" => {
                if self.open.is_empty() {
                    self.tally.root(attributes);
                }
                return Ok(Element::Suites(around.map(Suite::group).unwrap_or_default()));
            }
            "testsuite" => {
                let outermost =
                    !self.open.iter().any(|open| matches!(open.element, Element::Suite(_)));
                let mut suite = Suite::within(around, attributes);
                self.tally.suite(&mut suite, attributes, outermost);
                return Ok(Element::Suite(suite));
            }
            "testcase" => {
                let case = Case::within(around, attributes);
                self.tally.case(&case, around)?;
                return Ok(Element::Case(case));
            }
            _ => {}
        }
        let parent = self.open.last_mut().map(|open| &mut open.element);
        Ok(match (name, parent) {
            (
                "failure" | "error",
                Some(Element::Case(_) | Element::Suite(_) | Element::Suites(_)),
            ) => Element::Verdict(Verdict::new(attributes, self.limits.text)),
            ("skipped", Some(Element::Case(case))) => {
                case.skipped = true;
                Element::Other
            }
            ("flakyFailure" | "flakyError", Some(Element::Case(case))) => {
                case.flaky = true;
                Element::Other
            }
            _ => Element::Other,
        })
    }

    fn text(&mut self, text: &str) -> Result<(), Fault> {
        match self.open.last_mut() {
            Some(Open { element: Element::Verdict(verdict), .. }) => verdict.body.push(text),
            Some(_) => {}
            None if text.trim().is_empty() => {}
            None => return Err(self.broken(OUTSIDE)),
        }
        Ok(())
    }

    fn reference(&mut self, name: &str) -> Result<(), Fault> {
        let mut aside = Text::new(0);
        let text = match self.open.last_mut() {
            Some(Open { element: Element::Verdict(verdict), .. }) => &mut verdict.body,
            Some(_) => &mut aside,
            None => return Err(self.broken(OUTSIDE)),
        };
        text.reference(name).map_err(|problem| self.broken(&problem))
    }

    fn close(&mut self) -> Result<(), Fault> {
        let Some(Open { element, .. }) = self.open.pop() else { return Ok(()) };
        match element {
            Element::Case(case) => {
                let around = self.open.iter().rev().find_map(|open| open.element.suite());
                self.tally.close_case(case, around);
            }
            Element::Verdict(verdict) => {
                let parent = self.open.last_mut().and_then(|open| open.element.broken());
                if let Some(broken) = parent {
                    verdict.tell(broken, self.limits.text);
                }
            }
            Element::Suite(suite) | Element::Suites(suite) => self.tally.close_suite(&suite)?,
            Element::Other => {}
        }
        Ok(())
    }

    /// The input ended where it may.
    fn end(self) -> Result<Report, Fault> {
        if let Some(Open { name, line, .. }) = self.open.last() {
            return Err(Fault::EndInside { element: format!("<{name}>"), line: *line });
        }
        if self.rooted { Ok(self.tally.end()) } else { Err(Fault::HoldNothing) }
    }

    /// Why the parser went no further.
    fn stopped(&self, sieve: &mut Sieve<impl BufRead>, error: Error) -> Fault {
        match error {
            // What the sieve found further on counts only when the parser came there.
            Error::Io(source) => sieve.fault().unwrap_or_else(|| Fault::ReadInput {
                source: io::Error::new(source.kind(), source),
            }),
            Error::Syntax(_) if sieve.ended_inside() => self.open.last().map_or_else(
                || Fault::EndInside { element: "a tag".to_owned(), line: self.line },
                |open| Fault::EndInside { element: format!("<{}>", open.name), line: open.line },
            ),
            error => self.broken(&error.to_string()),
        }
    }
}
