//! Requests whose end two programs could see at different places are refused: that is how one person's
//! bytes become another's request.

use http::{HeaderMap, Method, StatusCode, Version, header};

/// The largest head of a request: twice what nginx takes by default (`large_client_header_buffers`, 4 times 8k).
/// What reads it stops somewhat later.
pub const LARGEST_HEAD: usize = 64 << 10;

/// Why a request is refused before anybody looks where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// Length and chunks (RFC 9112, 6.1: "ought to be handled as an error"). Of HTTP/1.1 hyper takes the chunks,
    /// drops the length and ends the connection, as RFC 9112, 6.3, allows; this is for whatever else comes.
    #[error("the request has both a Content-Length and a Transfer-Encoding")]
    Both,
    /// More than one length (RFC 9112, 6.3).
    #[error("the request has more than one Content-Length")]
    Lengths,
    /// A coding we cannot undo (RFC 9112, 6.1: 501).
    #[error("the request's Transfer-Encoding is not `chunked`")]
    Coding,
    /// HTTP/1.0 knows no chunks (RFC 9112, 6.1).
    #[error("the request is of HTTP/1.0 and has a Transfer-Encoding")]
    Version,
    /// More than anybody should have to hold.
    #[error("the request's headers are larger than {} KiB", LARGEST_HEAD >> 10)]
    Large,
    /// A method that is for proxies of another kind.
    #[error("this method is not for previews")]
    Method,
}

impl FramingError {
    /// The status it is answered with.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Large => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Coding => StatusCode::NOT_IMPLEMENTED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// Whether everybody must see the same end of this request.
pub fn check(method: &Method, version: Version, headers: &HeaderMap) -> Result<(), FramingError> {
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return Err(FramingError::Method);
    }
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > LARGEST_HEAD {
        return Err(FramingError::Large);
    }
    let lengths = headers.get_all(header::CONTENT_LENGTH).iter().count();
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if lengths > 0 {
            return Err(FramingError::Both);
        }
        if version < Version::HTTP_11 {
            return Err(FramingError::Version);
        }
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(FramingError::Coding);
        }
    }
    if lengths > 1 { Err(FramingError::Lengths) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
    use rstest::rstest;

    use super::{FramingError, check};

    #[rstest]
    #[case(&[("content-length", "5")], None)]
    #[case(&[("transfer-encoding", "chunked")], None)]
    #[case(&[("transfer-encoding", "Chunked")], None)]
    #[case(&[("content-length", "5"), ("transfer-encoding", "chunked")], Some(FramingError::Both))]
    #[case(&[("content-length", "5"), ("content-length", "5")], Some(FramingError::Lengths))]
    #[case(&[("transfer-encoding", "gzip, chunked")], Some(FramingError::Coding))]
    #[case(&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], Some(FramingError::Coding))]
    #[case(&[("transfer-encoding", "xchunked")], Some(FramingError::Coding))]
    fn one_end_or_none(
        #[case] headers: &[(&'static str, &'static str)],
        #[case] expected: Option<FramingError>,
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        assert_eq!(check(&Method::POST, Version::HTTP_11, &map).err(), expected);
    }

    #[test]
    fn old_version_has_no_chunks_and_some_methods_have_no_place() {
        let mut map = HeaderMap::new();
        assert_eq!(check(&Method::TRACE, Version::HTTP_11, &map), Err(FramingError::Method));
        map.append("transfer-encoding", HeaderValue::from_static("chunked"));
        assert_eq!(check(&Method::POST, Version::HTTP_10, &map), Err(FramingError::Version));
    }
}
