//! Frames of HTTP/2 (RFC 9113, 4) as bytes: written as they are told, wrong ones too, and read back. It knows
//! nothing of windows, states or limits, so that a test may break each of them.

use std::{collections::BTreeMap, time::Duration};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use understudy_bed::{Error, Result};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags, of which the first means two things.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// Codes of errors (RFC 9113, 7).
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// Settings (RFC 9113, 6.5.2).
pub(crate) const MAX_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW: u16 = 4;

/// The largest window (RFC 9113, 6.9.1).
pub(crate) const MOST: u32 = (1 << 31) - 1;

/// How a client begins (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long the other side may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Bed(format!("HTTP/2: {error}"))
}

/// A frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The number at that place: the code of an error, or the size of a window.
    pub(crate) fn number(&self, at: usize) -> u32 {
        let bytes = self.payload.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(u32::MAX, u32::from_be_bytes)
    }

    /// The status of an answer; 0 for those that are no head of one. Those of the static table are one byte
    /// (RFC 7541, Appendix A), others are not told apart.
    pub(crate) fn status(&self) -> u16 {
        if self.kind != HEADERS {
            return 0;
        }
        match self.payload.first() {
            Some(0x88) => 200,
            Some(0x8c) => 400,
            Some(0x8d) => 404,
            Some(0x8e) => 500,
            Some(_) => 999,
            None => 0,
        }
    }
}

/// A frame as bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = length.into_iter().skip(1).collect::<Vec<u8>>();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A frame that holds one number: a reset or an update of a window.
pub(crate) fn numbered(kind: u8, stream: u32, number: u32) -> Vec<u8> {
    frame(kind, 0, stream, &number.to_be_bytes())
}

/// Settings as bytes.
pub(crate) fn settings(all: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = all
        .iter()
        .flat_map(|(name, value)| name.to_be_bytes().into_iter().chain(value.to_be_bytes()))
        .collect();
    frame(SETTINGS, 0, 0, &payload)
}

/// A GOAWAY: the last stream that was looked at, and why.
pub(crate) fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// A field that no table remembers (RFC 7541, 6.2.2).
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        bytes.extend(length(text.len()));
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// A field that is put into the dynamic table (RFC 7541, 6.2.1), where it is number 62.
pub(crate) fn remembered(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = field(name, value);
    if let Some(first) = bytes.first_mut() {
        *first = 0x40;
    }
    bytes
}

/// An integer of a prefix of seven bits (RFC 7541, 5.1).
fn length(number: usize) -> Vec<u8> {
    let Some(mut rest) = number.checked_sub(127) else {
        return vec![u8::try_from(number).unwrap_or(0)];
    };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128 + 128).unwrap_or(0));
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap_or(0));
    bytes
}

/// The fields of a request.
pub(crate) fn request(method: &str, host: &str, path: &str) -> Vec<u8> {
    let fields = [(":method", method), (":scheme", "http"), (":authority", host), (":path", path)];
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// A request without a body.
pub(crate) fn get(stream: u32, host: &str, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &request("GET", host, path))
}

/// A request whose body is still to come.
pub(crate) fn post(stream: u32, host: &str, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &request("POST", host, path))
}

/// The id of a client's stream by its number.
pub(crate) fn id(number: usize) -> u32 {
    u32::try_from(number * 2 + 1).unwrap_or(u32::MAX)
}

/// One side of a connection.
#[derive(Debug)]
pub(crate) struct Wire<IO> {
    pub(crate) read: Reader<IO>,
    pub(crate) write: WriteHalf<IO>,
}

/// What the other side says.
#[derive(Debug)]
pub(crate) struct Reader<IO> {
    half: ReadHalf<IO>,
    bytes: Vec<u8>,
}

impl<IO: AsyncRead + AsyncWrite> Wire<IO> {
    /// A client that begins with these settings.
    pub(crate) async fn client(io: IO, all: &[(u16, u32)]) -> Result<Self> {
        let mut wire = Self::bare(io);
        wire.send(&[PREFACE, &settings(all)].concat()).await?;
        Ok(wire)
    }

    /// A client whose first words were said already.
    pub(crate) async fn begun(io: IO) -> Result<Self> {
        let mut wire = Self::bare(io);
        wire.send(&settings(&[])).await?;
        Ok(wire)
    }

    /// A server whose client has begun as it should.
    pub(crate) async fn heard(io: IO) -> Result<Self> {
        let mut wire = Self::bare(io);
        wire.read.fill(PREFACE.len()).await?;
        let begins = wire.read.bytes.drain(..PREFACE.len());
        if begins.as_slice() != PREFACE {
            return Err(failed("another protocol"));
        }
        drop(begins);
        Ok(wire)
    }

    fn bare(io: IO) -> Self {
        let (half, write) = split(io);
        Self { read: Reader { half, bytes: Vec::new() }, write }
    }

    /// Writes bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.write.write_all(bytes).await.map_err(failed)
    }

    /// Everything the other side has said until it has seen what was sent so far: an answer to a ping comes last.
    pub(crate) async fn settle(&mut self) -> Result<Seen> {
        let mut seen = Seen::default();
        let mark = *b"is there";
        if self.send(&frame(PING, 0, 0, &mark)).await.is_err() {
            seen.alive = false;
        }
        self.read
            .until(&mut seen, |one| one.kind == PING && one.flags == ACK && one.payload == mark)
            .await;
        Ok(seen)
    }
}

impl<IO: AsyncRead> Reader<IO> {
    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>> {
        if self.fill(9).await.is_err() {
            return Ok(None);
        }
        let head: [u8; 9] =
            self.bytes.get(..9).and_then(|head| head.try_into().ok()).unwrap_or([0; 9]);
        let [a, b, c, kind, flags, stream @ ..] = head;
        let end = 9 + usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(0);
        if self.fill(end).await.is_err() {
            return Ok(None);
        }
        let payload = self.bytes.get(9..end).unwrap_or_default().to_vec();
        self.bytes.drain(..end);
        Ok(Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload }))
    }

    async fn fill(&mut self, wanted: usize) -> Result<()> {
        let mut piece = vec![0; 16 << 10];
        while self.bytes.len() < wanted {
            let read = tokio::time::timeout(PATIENCE, self.half.read(&mut piece)).await;
            let read = read.map_err(|_| failed("nothing came"))?.map_err(failed)?;
            if read == 0 {
                return Err(failed("it ended"));
            }
            self.bytes.extend(piece.get(..read).unwrap_or_default());
        }
        Ok(())
    }

    /// Counts what comes until that frame, a GOAWAY with an error, or the end.
    pub(crate) async fn until(&mut self, seen: &mut Seen, last: impl Fn(&Frame) -> bool) {
        seen.alive = false;
        while let Ok(Some(one)) = self.next().await {
            seen.note(&one);
            if last(&one) {
                seen.alive = true;
                return;
            }
        }
    }
}

/// What the other side said, counted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whether the connection goes on.
    pub(crate) alive: bool,
    /// Heads of answers by their status.
    pub(crate) answers: BTreeMap<u16, usize>,
    /// Resets by their code.
    pub(crate) resets: BTreeMap<u32, usize>,
    /// Why the connection was given up.
    pub(crate) away: Option<u32>,
    /// Bytes of bodies.
    pub(crate) bytes: usize,
    /// Streams that ended as they should.
    pub(crate) ended: usize,
}

impl Seen {
    /// Counts a frame.
    pub(crate) fn note(&mut self, one: &Frame) {
        match one.kind {
            HEADERS => *self.answers.entry(one.status()).or_default() += 1,
            RESET => *self.resets.entry(one.number(0)).or_default() += 1,
            GOAWAY => self.away = Some(one.number(4)),
            DATA => self.bytes += one.payload.len(),
            _ => {}
        }
        if matches!(one.kind, HEADERS | DATA) && one.flags & END_STREAM != 0 {
            self.ended += 1;
        }
    }
}
