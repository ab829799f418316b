//! The input as the parser sees it: what the lexer leaves out is not there, and no event grows without end.

use std::io::{self, BufRead, Read};

use super::{
    fault::Fault,
    lexer::{Lexer, Stretch},
};

/// The most that the parser is shown before it has made an event of it, in bytes. Everything but a tag with
/// many attributes is cut far below.
const LONGEST_EVENT: u64 = 1 << 20;

/// The most that is shown in one piece, in bytes: the parser copies a piece before it is asked again.
const MOST_AT_ONCE: usize = 64 << 10;

/// Stands between the input and the parser. It holds no bytes itself.
pub(super) struct Sieve<R> {
    input: R,
    lexer: Lexer,
    /// How many bytes at the front of the input are to be shown.
    ready: usize,
    /// What is shown before the input goes on.
    ending: &'static [u8],
    fault: Option<Fault>,
    /// How much was shown since the last event.
    event: u64,
    /// The line of the byte that is shown next.
    line: u64,
    ended: bool,
}

impl<R: BufRead> Sieve<R> {
    pub(super) fn new(input: R, limit: u64, shown: usize) -> Self {
        Self {
            input,
            lexer: Lexer::new(limit, shown),
            ready: 0,
            ending: &[],
            fault: None,
            event: 0,
            line: 1,
            ended: false,
        }
    }

    /// The parser is about to read an event; answers with the line that it begins in.
    pub(super) fn begin(&mut self) -> u64 {
        self.event = 0;
        self.line
    }

    /// Why the reading stopped, if it was here.
    pub(super) fn fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    /// Whether the input ended inside of markup.
    pub(super) fn ended_inside(&self) -> bool {
        self.ended && !self.lexer.in_text()
    }

    /// Looks at the input until there is something to show, or nothing left.
    fn look(&mut self) -> io::Result<()> {
        while self.ready == 0 && self.ending.is_empty() && self.fault.is_none() {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() {
                self.ended = true;
                self.fault = self.lexer.end();
                return Ok(());
            }
            let some = bytes.get(..MOST_AT_ONCE).unwrap_or(bytes);
            let Stretch { length, hidden, ending, fault } = self.lexer.follow(some);
            if hidden {
                self.input.consume(length);
                self.line = self.lexer.line();
                self.ending = ending;
            } else {
                self.ready = length;
            }
            self.fault = fault;
        }
        Ok(())
    }
}

impl<R: BufRead> BufRead for Sieve<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.look()?;
        if self.event > LONGEST_EVENT && self.fault.is_none() {
            self.fault = Some(Fault::PassTag { limit: LONGEST_EVENT, line: self.line });
            self.ready = 0;
        }
        if !self.ending.is_empty() {
            return Ok(self.ending);
        }
        if self.ready > 0 {
            let bytes = self.input.fill_buf()?;
            return Ok(bytes.get(..self.ready).unwrap_or(bytes));
        }
        if self.fault.is_some() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(&[])
    }

    fn consume(&mut self, amount: usize) {
        self.event = self.event.saturating_add(u64::try_from(amount).unwrap_or(u64::MAX));
        if !self.ending.is_empty() {
            self.ending = self.ending.get(amount..).unwrap_or_default();
            return;
        }
        let amount = amount.min(self.ready);
        if amount == self.ready {
            self.line = self.lexer.line();
        } else if let Ok(bytes) = self.input.fill_buf() {
            let shown = bytes.iter().take(amount);
            let lines = shown.filter(|byte| **byte == b'\n').count();
            self.line += u64::try_from(lines).unwrap_or_default();
        }
        self.ready -= amount;
        self.input.consume(amount);
    }
}

impl<R: BufRead> Read for Sieve<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}
