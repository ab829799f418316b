//! What people read when there is nothing to pass on: one page, in plain words, that says what is so and what
//! happens next. Programs get the same in one line of text.

use askama::Template;
use http::{HeaderValue, Response, StatusCode, header};
use jiff::Timestamp;
use understudy_crds::status::Phase;

use crate::{body::Body, headers, sight::Standing, visitor::Visitor};

/// How soon a page that waits loads itself again, in seconds: soon if pods only have to start, else later.
const SOON: u32 = 1;
const LATER: u32 = 3;

/// Nothing is loaded and nothing is run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const CALM: &str = "#0090ff";
const BAD: &str = "#e5484d";
const OVER: &str = "#8b8d98";

/// Something to tell instead of an answer.
#[derive(Debug, Clone, Template)]
#[template(path = "page.html")]
pub(crate) struct Page {
    #[template(skip)]
    status: StatusCode,
    title: &'static str,
    text: String,
    detail: String,
    since: String,
    refresh: Option<u32>,
    colour: &'static str,
}

impl Page {
    fn new(status: StatusCode, title: &'static str, text: &str) -> Self {
        let (text, detail, since) = (text.to_owned(), String::new(), String::new());
        Self { status, title, text, detail, since, refresh: None, colour: OVER }
    }

    /// Nobody is called that here. Who was asked for is not repeated: it could be anything.
    pub(crate) fn unknown() -> Self {
        let text = "There is no preview at this address. It may not be there yet, or the address has a mistake in it.";
        Self::new(StatusCode::NOT_FOUND, "No such preview", text)
    }

    /// There was one.
    pub(crate) fn closed() -> Self {
        let text = "The pull request was merged or closed, and its preview was removed with everything in it.";
        Self::new(StatusCode::GONE, "This preview is closed", text)
    }

    /// A request that we do not pass on.
    pub(crate) fn refused(status: StatusCode, why: &str) -> Self {
        Self::new(status, "This request cannot be passed on", why)
    }

    /// We ourselves are not ready, or have too much to do.
    pub(crate) fn busy(text: &str) -> Self {
        Self {
            refresh: Some(LATER),
            colour: CALM,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "One moment", text)
        }
    }

    /// The stack did not answer as it should.
    pub(crate) fn bad(status: StatusCode, text: &str) -> Self {
        let detail = "The preview itself is at fault, or it is just being replaced. Its pull request tells more.";
        Self {
            detail: detail.to_owned(),
            colour: BAD,
            ..Self::new(status, "The preview did not answer", text)
        }
    }

    /// Where a preview stands that has nothing to answer with.
    pub(crate) fn standing(standing: &Standing) -> Self {
        if standing.closed {
            return Self::closed();
        }
        let (title, text, refresh) = match standing.phase {
            Phase::Asleep => (
                "Waking up",
                "Nobody had looked at this preview for a while, so it was asleep. It is being started for you.",
                Some(SOON),
            ),
            Phase::Failed => (
                "This preview failed",
                "It could not be started, or stopped working. It is tried again when the cause is gone or a new commit comes.",
                None,
            ),
            Phase::Refused => {
                ("This preview was refused", "Somebody has to act before it can be built.", None)
            }
            Phase::Stopped => (
                "This preview is stopped",
                "Everything in it was removed. A new commit brings it back.",
                None,
            ),
            Phase::Queued => (
                "In the queue",
                "This preview is built as soon as there is room for it.",
                Some(LATER),
            ),
            Phase::WaitingForImage => (
                "Waiting for an image",
                "The images of this commit are not built yet. This preview starts as soon as they are there.",
                Some(LATER),
            ),
            _ if standing.stood => {
                ("Starting", "This preview is being started or replaced.", Some(SOON))
            }
            _ => (
                "Being built",
                "This preview is being built. It usually takes a minute.",
                Some(LATER),
            ),
        };
        // What the operator says of a sleeper is for whoever reads its status.
        let said = if standing.phase == Phase::Asleep { "" } else { &standing.message };
        let (since, colour) = look(standing.phase);
        Self {
            detail: said.to_owned(),
            since: told(since, &standing.since),
            refresh,
            colour,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, title, text)
        }
    }

    /// A sleeper that an onlooker came upon: it sleeps on.
    pub(crate) fn asleep(standing: &Standing) -> Self {
        let text = "Nobody had looked at this preview for a while, so it sleeps. It wakes when a person or a program asks for it.";
        Self {
            since: told("Asleep since", &standing.since),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "This preview sleeps", text)
        }
    }

    /// As an answer to whoever asked.
    pub(crate) fn answer(&self, visitor: Visitor) -> Response<Body> {
        let html = visitor == Visitor::Navigation;
        let body = if html {
            self.render().unwrap_or_else(|_| self.title.to_owned())
        } else {
            let parts = [self.title, &self.text, &self.detail];
            let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            format!("{}\n", parts.join(": ").replace(".: ", ". "))
        };
        let mut answer = Response::new(Body::from(body));
        *answer.status_mut() = self.status;
        let map = answer.headers_mut();
        let kind = if html { "text/html; charset=utf-8" } else { "text/plain; charset=utf-8" };
        map.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        map.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        map.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        map.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            map.insert(header::RETRY_AFTER, HeaderValue::from(self.refresh.unwrap_or(60)));
        }
        headers::stamp(map, None);
        map.insert(headers::PAGE, HeaderValue::from_static("1"));
        answer
    }
}

/// What stands before the time, and the colour of the bar.
const fn look(phase: Phase) -> (&'static str, &'static str) {
    match phase {
        Phase::Asleep => ("Asleep since", CALM),
        Phase::Failed => ("Failed since", BAD),
        Phase::Refused => ("Refused since", BAD),
        Phase::Stopped => ("Stopped since", OVER),
        _ => ("Since", CALM),
    }
}

/// A time as people write it, behind these words; nothing if there is none.
fn told(words: &str, since: &str) -> String {
    let time: Option<Timestamp> = since.parse().ok();
    let said = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    time.map_or_else(String::new, |time| format!("{words} {}.", said(time)))
}

#[cfg(test)]
mod tests {
    use askama::Template;
    use rstest::rstest;
    use understudy_crds::status::Phase;

    use super::Page;
    use crate::sight::Standing;

    fn standing(phase: Phase, stood: bool) -> Standing {
        let message = "Deployment web: <script>alert(1)</script>";
        Standing {
            phase,
            since: "2026-11-21T10:00:00Z".to_owned(),
            message: message.into(),
            closed: false,
            stood,
        }
    }

    #[rstest]
    #[case(Phase::Failed, true, "This preview failed", "Failed since", false)]
    #[case(Phase::Deploying, false, "Being built", "Since", true)]
    #[case(Phase::Deploying, true, "Starting", "Since", true)]
    #[case(Phase::Stopped, true, "This preview is stopped", "Stopped since", false)]
    fn page_says_where_a_preview_stands(
        #[case] phase: Phase,
        #[case] stood: bool,
        #[case] title: &str,
        #[case] since: &str,
        #[case] waits: bool,
    ) {
        let page = Page::standing(&standing(phase, stood)).render().expect("a page");
        assert!(page.contains(&format!("<title>{title}</title>")), "{page}");
        assert_eq!(page.contains("http-equiv=\"refresh\""), waits);
        assert!(page.contains("&#60;script&#62;"), "{page}");
        assert!(page.contains(&format!(">{since} 2026-11-21 10:00:00 UTC.<")), "{page}");
    }

    #[test]
    fn sleeper_says_that_it_wakes_and_nothing_else() {
        let page = Page::standing(&standing(Phase::Asleep, true)).render().expect("a page");
        assert!(page.contains("<title>Waking up</title>") && page.contains("Asleep since 2026"));
        assert!(page.contains("http-equiv=\"refresh\"") && !page.contains("script"), "{page}");
    }
}
