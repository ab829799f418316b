//! Bodies of answers: whole ones, and watches that can be ended or silenced.

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use kube::client::Body;
use tokio::sync::watch;

use super::Never;

/// The body of an answer.
pub(super) type Reply = UnsyncBoxBody<Bytes, Never>;

/// A body that is there already.
pub(super) fn full(bytes: Bytes) -> Reply {
    Full::new(bytes).boxed_unsync()
}

/// A body that goes on until it ends, until `cut` changes, or in silence once `silence` changed.
pub(super) fn relayed(
    body: Body,
    mut cut: watch::Receiver<u64>,
    mut silence: watch::Receiver<u64>,
) -> Reply {
    cut.mark_unchanged();
    silence.mark_unchanged();
    let frames = stream::unfold((body, cut, silence), |(mut body, mut cut, mut silence)| async {
        tokio::select! {
            biased;
            _ = cut.changed() => None,
            _ = silence.changed() => {
                // Open, and nothing more; but whoever cuts, cuts this too.
                let _ = cut.changed().await;
                None
            }
            frame = body.frame() => match frame {
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    Some((Ok(Frame::data(data)), (body, cut, silence)))
                }
                _ => None,
            },
        }
    });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}
