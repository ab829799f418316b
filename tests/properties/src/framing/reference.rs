//! A reading of HTTP/1.1 by the letter of RFC 9112, with nothing that it merely allows: it ends at the first byte
//! that is out of place. Four things are taken in because servers do, and none sees another end by them: empty lines
//! before a request, a line that ends with LF alone (RFC 9112, 2.2), the same length said again (RFC 9110, 8.6), and
//! anything but an end of line in a chunk's extension.

/// Where a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Where its framing says.
    Whole,
    /// Nowhere: there are no more bytes, or one that cannot be.
    Nowhere,
    /// Behind trailers with a line that ends with LF alone, about whose end hyper and httparse, which it uses, are not
    /// of one mind: nothing can be said of what follows.
    Disputed,
}

/// A request whose head is right.
#[derive(Debug)]
pub(super) struct Message<'input> {
    pub(super) method: &'input [u8],
    pub(super) target: &'input [u8],
    /// Names in lower case and values, in their order.
    pub(super) headers: Vec<(String, &'input [u8])>,
    /// Whether it has a length and chunks: the chunks count, and it is the last on its connection.
    pub(super) ambiguous: bool,
    pub(super) body: Vec<u8>,
    pub(super) end: End,
}

/// The requests, up to the first that is no request or has no end.
pub(super) fn read(input: &[u8]) -> Vec<Message<'_>> {
    let mut rest = Cursor(input);
    let mut messages: Vec<Message<'_>> = Vec::new();
    while messages.last().is_none_or(|last| last.end == End::Whole) {
        let Some(message) = message(&mut rest) else { break };
        messages.push(message);
    }
    messages
}

struct Cursor<'input>(&'input [u8]);

impl<'input> Cursor<'input> {
    fn take(&mut self, length: usize) -> Option<&'input [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A line without its end.
    fn line(&mut self) -> Option<&'input [u8]> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let line = self.take(end)?;
        self.take(1)?;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// A line that ends with CRLF.
    fn strict_line(&mut self) -> Option<&'input [u8]> {
        let end = self.0.windows(2).position(|pair| pair == b"\r\n")?;
        let line = self.take(end)?;
        self.take(2)?;
        Some(line)
    }
}

fn message<'input>(rest: &mut Cursor<'input>) -> Option<Message<'input>> {
    let mut line = rest.line()?;
    while line.is_empty() {
        line = rest.line()?;
    }
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let sound = words.next().is_none()
        && is_token(method)
        && !target.is_empty()
        && target.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
        && matches!(version, b"HTTP/1.1" | b"HTTP/1.0");
    let mut headers = fields(rest, Cursor::line).filter(|_| sound)?;
    let mut length = None;
    headers.retain(|(name, value)| {
        let known = number(value, 10).filter(|_| name == "content-length");
        known.is_none() || length.replace(known) != Some(known)
    });
    let all = |name: &str| -> Vec<&[u8]> {
        headers.iter().filter(|(one, _)| one == name).map(|(_, value)| *value).collect()
    };
    let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
    let mut body = Vec::new();
    let end = match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => End::Whole,
        (_, [coding]) if coding.eq_ignore_ascii_case(b"chunked") && version == b"HTTP/1.1" => {
            chunks(rest, &mut body).unwrap_or(End::Nowhere)
        }
        ([length], []) => {
            let length = number(length, 10)?;
            let there = rest.take(length.min(rest.0.len())).unwrap_or_default();
            body.extend_from_slice(there);
            if there.len() == length { End::Whole } else { End::Nowhere }
        }
        _ => return None,
    };
    let ambiguous = !lengths.is_empty() && !codings.is_empty();
    Some(Message { method, target, headers, ambiguous, body, end })
}

type Fields<'input> = Vec<(String, &'input [u8])>;

/// Fields up to the empty line behind them.
fn fields<'input>(
    rest: &mut Cursor<'input>,
    line: fn(&mut Cursor<'input>) -> Option<&'input [u8]>,
) -> Option<Fields<'input>> {
    let mut fields = Vec::new();
    loop {
        let line = line(rest)?;
        if line.is_empty() {
            return Some(fields);
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let value = trim(value.strip_prefix(b":")?);
        if !is_token(name) || !value.iter().copied().all(is_text) {
            return None;
        }
        fields.push((String::from_utf8(name.to_ascii_lowercase()).ok()?, value));
    }
}

/// Without blanks at both ends.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', inner @ ..] | [inner @ .., b' ' | b'\t'] = value {
        value = inner;
    }
    value
}

/// RFC 9112, 7.1.
fn chunks(rest: &mut Cursor<'_>, body: &mut Vec<u8>) -> Option<End> {
    loop {
        let line = rest.strict_line()?;
        let mut parts = line.splitn(2, |byte| *byte == b';');
        // Blanks before an extension are bad but allowed (RFC 9112, 7.1.1).
        let size = number(trim_end(parts.next()?), 16)?;
        if parts
            .next()
            .is_some_and(|extension| extension.contains(&b'\r') || extension.contains(&b'\n'))
        {
            return None;
        }
        if size == 0 {
            if is_disputed(rest.0) {
                return Some(End::Disputed);
            }
            return fields(rest, Cursor::strict_line).map(|_| End::Whole);
        }
        let there = rest.take(size.min(rest.0.len()))?;
        body.extend_from_slice(there);
        if there.len() < size || rest.take(2)? != b"\r\n" {
            return None;
        }
    }
}

/// Whether a line of the trailers that begin here ends with LF alone.
fn is_disputed(trailers: &[u8]) -> bool {
    let mut before = [b'\r', b'\n'];
    for byte in trailers {
        match (before, byte) {
            // The empty line.
            ([b'\r', b'\n'], b'\r') => return false,
            ([_, b'\r'], b'\n') => {}
            (_, b'\n') => return true,
            _ => {}
        }
        before = [before[1], *byte];
    }
    false
}

fn trim_end(mut value: &[u8]) -> &[u8] {
    while let [inner @ .., b' ' | b'\t'] = value {
        value = inner;
    }
    value
}

/// Digits and nothing else.
fn number(digits: &[u8], base: u32) -> Option<usize> {
    let text = str::from_utf8(digits).ok()?;
    let digits = text.chars().all(|digit| digit.is_digit(base));
    usize::from_str_radix(text, base).ok().filter(|_| digits)
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

fn is_token(name: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(letter)
}
