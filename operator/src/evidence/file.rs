//! How a file that somebody's test wrote is handed to a browser: as what it can do no harm as.

use std::fmt::Write;

/// The longest name that is suggested for saving.
const NAME: usize = 120;

/// What a browser may do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handling {
    /// The media type it is told.
    pub(crate) media: &'static str,
    /// Whether it shows the file, or saves it.
    pub(crate) inline: bool,
    /// Whether it plays it.
    pub(crate) video: bool,
}

/// By the ending of its name. Whatever could run in a browser is saved.
pub(crate) fn handling(path: &str) -> Handling {
    const TEXT: &str = "text/plain; charset=utf-8";
    let name = path.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let (media, inline) = match ending.as_deref().unwrap_or_default() {
        "png" => ("image/png", true),
        "jpg" | "jpeg" => ("image/jpeg", true),
        "gif" => ("image/gif", true),
        "webp" => ("image/webp", true),
        "webm" => ("video/webm", true),
        "mp4" => ("video/mp4", true),
        "txt" | "log" | "md" => (TEXT, true),
        "json" => ("application/json", true),
        "html" | "htm" | "xhtml" | "svg" | "xml" | "js" | "mjs" | "css" => (TEXT, false),
        "zip" => ("application/zip", false),
        _ => ("application/octet-stream", false),
    };
    Handling { media, inline, video: media.starts_with("video/") }
}

/// `Content-Disposition` (RFC 6266): the name in ASCII for old browsers and in full for the others, without anything
/// that could lead out of the header or into another folder.
pub(crate) fn disposition(path: &str, inline: bool) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = name.chars().filter(|one| is_plain(*one)).collect();
    let kept: String = kept.trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']).into();
    let kept = if kept.is_empty() { "file".to_owned() } else { kept };
    // From the end, which says what it is.
    let skipped = kept.chars().count().saturating_sub(NAME);
    let kept: String = kept.chars().skip(skipped).collect();
    let known = |one: char| one.is_ascii_alphanumeric() || "._-".contains(one);
    let ascii: String = kept.chars().map(|one| if known(one) { one } else { '_' }).collect();
    let kind = if inline { "inline" } else { "attachment" };
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{}", encoded(&kept))
}

/// No control characters, nothing that turns the direction of writing or is not seen, no quotes, no separators.
fn is_plain(one: char) -> bool {
    let unseen = matches!(one,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}');
    !one.is_control() && !unseen && !"\"'`<>:|?*%/\\".contains(one)
}

/// Percent-encoded but for letters, digits and `-._~`: fits into a path, and into a header (RFC 8187).
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{disposition, handling};

    #[rstest]
    #[case("a/b.PNG", "image/png", true)]
    #[case("video.webm", "video/webm", true)]
    #[case("log.txt", "text/plain; charset=utf-8", true)]
    #[case("data.json", "application/json", true)]
    #[case("report/index.html", "text/plain; charset=utf-8", false)]
    #[case("x.svg", "text/plain; charset=utf-8", false)]
    #[case("x.xml", "text/plain; charset=utf-8", false)]
    #[case("x.JS", "text/plain; charset=utf-8", false)]
    #[case("trace.zip", "application/zip", false)]
    #[case("png", "application/octet-stream", false)]
    #[case("a.png/b", "application/octet-stream", false)]
    #[case("x.png.html\n", "application/octet-stream", false)]
    #[case("x.swf", "application/octet-stream", false)]
    #[case("", "application/octet-stream", false)]
    fn what_could_run_is_saved(#[case] path: &str, #[case] media: &str, #[case] inline: bool) {
        let handling = handling(path);
        assert_eq!((handling.media, handling.inline), (media, inline));
    }

    #[rstest]
    #[case("a/report.xml", "filename=\"report.xml\"; filename*=UTF-8''report.xml")]
    #[case("a\"; x=\".exe", "filename=\"a__x_.exe\"; filename*=UTF-8''a%3B%20x%3D.exe")]
    #[case("a\r\nSet-Cookie: b", "filename=\"aSet-Cookie_b\"; filename*=UTF-8''aSet-Cookie%20b")]
    #[case("..\\..\\x.bat", "filename=\"x.bat\"; filename*=UTF-8''x.bat")]
    #[case("a/..", "filename=\"file\"; filename*=UTF-8''file")]
    #[case(".bashrc", "filename=\"bashrc\"; filename*=UTF-8''bashrc")]
    #[case("prüfung.txt", "filename=\"pr_fung.txt\"; filename*=UTF-8''pr%C3%BCfung.txt")]
    #[case("x\u{202e}gnp.exe", "filename=\"xgnp.exe\"; filename*=UTF-8''xgnp.exe")]
    fn name_stays_in_its_header(#[case] path: &str, #[case] name: &str) {
        assert_eq!(disposition(path, false), format!("attachment; {name}"));
        assert_eq!(disposition(path, true), format!("inline; {name}"));
    }

    #[test]
    fn long_name_keeps_its_ending() {
        let said = disposition(&format!("{}.xml", "ä".repeat(500)), false);
        assert!(said.ends_with(".xml") && said.len() < 1000, "{said}");
    }
}
