//! When the process is asked to end: by whoever runs it, or from a terminal.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at the first of both; from now on neither ends the process by itself.
pub(crate) fn asked_to_end() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
