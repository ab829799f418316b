//! Requests that are answered wrongly for as long as it is wanted, unlike a fault, which fires once.

use hyper::{Method, Response};
use serde_json::json;

use super::{Proxy, body::Reply, full, refusal};

/// How requests are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Whatever is asked, the answer is 500.
    Refuse,
    /// Lists are empty, and there is nothing to watch.
    Empty,
}

/// Parts of addresses, and how requests to those are treated.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<(String, Manner)>);

impl Rules {
    /// The answer to that request, if it is not to be passed on.
    pub(super) fn answer(&self, method: &Method, uri: &str) -> Option<Response<Reply>> {
        let (_, manner) = self.0.iter().find(|(part, _)| uri.contains(part.as_str()))?;
        let broken = || refusal(500, "InternalError", "an internal error occurred");
        match manner {
            Manner::Refuse => Some(broken()),
            Manner::Empty if *method != Method::GET => None,
            Manner::Empty if uri.contains("watch=") => Some(broken()),
            Manner::Empty => {
                let list = json!({
                    "apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": [],
                });
                Some(Response::new(full(list.to_string().into())))
            }
        }
    }
}

impl Proxy {
    /// From now on, requests whose address contains that part are treated like this.
    pub fn treat(&self, part: &str, manner: Manner) {
        self.shared.state().rules.0.push((part.to_owned(), manner));
    }

    /// Everything is passed on again.
    pub fn relent(&self) {
        self.shared.state().rules.0.clear();
    }
}
