//! Who asks: a person with a browser, a program, or somebody whose look is no use of the preview.

use http::{HeaderMap, Method, header};

/// What a visit counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visitor {
    /// A browser that shows what it gets to a person: it can be shown a page while it waits.
    Navigation,
    /// A program, or a page's own request: it is held until there is an answer.
    Program,
    /// A probe, a crawler, or whoever draws a link's picture: it keeps nobody awake and wakes nobody.
    Onlooker,
}

/// Words in the names that probes, crawlers and makers of link previews give themselves.
const ONLOOKERS: [&str; 18] = [
    "bot",
    "crawler",
    "spider",
    "slurp",
    "facebookexternalhit",
    "whatsapp",
    "embedly",
    "linkpreview",
    "skypeuripreview",
    "github-camo",
    "kube-probe",
    "googlehc",
    "elb-healthchecker",
    "prometheus",
    "blackbox",
    "uptime",
    "pingdom",
    "understudy",
];

/// Tells who asks, by what a client says of itself: a wrong word costs nobody but the client.
pub(crate) fn visitor(method: &Method, headers: &HeaderMap) -> Visitor {
    let purpose =
        text(headers, "sec-purpose").contains("prefetch") || text(headers, "purpose") == "prefetch";
    if purpose || is_onlooker(text(headers, header::USER_AGENT.as_str())) {
        return Visitor::Onlooker;
    }
    shown(method, headers)
}

/// The same without a look at who it is: what a page would be shown as. It costs next to nothing.
pub(crate) fn shown(method: &Method, headers: &HeaderMap) -> Visitor {
    let looks = matches!(*method, Method::GET | Method::HEAD);
    let navigates = match text(headers, "sec-fetch-mode") {
        "" => text(headers, header::ACCEPT.as_str()).contains("text/html"),
        mode => mode == "navigate",
    };
    if looks && navigates { Visitor::Navigation } else { Visitor::Program }
}

fn text<'headers>(headers: &'headers HeaderMap, name: &str) -> &'headers str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn is_onlooker(agent: &str) -> bool {
    // Every request is looked at. A maker of telephones ends as robots do.
    let lower = agent.to_ascii_lowercase().replace("cubot", "");
    ONLOOKERS.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};
    use rstest::rstest;

    use super::{Visitor, visitor};

    const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

    #[rstest]
    #[case(Method::GET, &[("user-agent", BROWSER), ("sec-fetch-mode", "navigate")], Visitor::Navigation)]
    #[case(Method::GET, &[("user-agent", BROWSER), ("accept", "text/html,*/*")], Visitor::Navigation)]
    #[case(Method::POST, &[("user-agent", BROWSER), ("accept", "text/html,*/*")], Visitor::Program)]
    #[case(Method::GET, &[("user-agent", BROWSER), ("sec-fetch-mode", "cors"), ("accept", "text/html")], Visitor::Program)]
    #[case(Method::GET, &[("user-agent", "curl/8"), ("accept", "*/*")], Visitor::Program)]
    #[case(Method::GET, &[], Visitor::Program)]
    #[case(Method::GET, &[("user-agent", "Slackbot-LinkExpanding 1.0")], Visitor::Onlooker)]
    #[case(Method::GET, &[("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1)"), ("accept", "text/html")], Visitor::Onlooker)]
    #[case(Method::GET, &[("user-agent", "kube-probe/1.36")], Visitor::Onlooker)]
    #[case(Method::GET, &[("user-agent", "Mozilla/5.0 (Linux; Android 13; CUBOT P80) Chrome/138.0")], Visitor::Program)]
    #[case(Method::GET, &[("user-agent", "Mozilla/5.0 (Linux; CUBOT P80; compatible; Googlebot/2.1)")], Visitor::Onlooker)]
    #[case(Method::GET, &[("user-agent", BROWSER), ("sec-purpose", "prefetch;prerender")], Visitor::Onlooker)]
    fn visitors_are_told_apart(
        #[case] method: Method,
        #[case] headers: &[(&'static str, &'static str)],
        #[case] expected: Visitor,
    ) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
            .collect();
        assert_eq!(visitor(&method, &headers), expected);
    }
}
