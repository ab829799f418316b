//! What `up` does about a bed of that name that lives already.

use std::path::Path;

use super::{Request, follow::follow};
use crate::{
    bed::{Bed, Record},
    digest,
    error::{Error, Result},
    home::Home,
    process,
    progress::Progress,
    state::State,
};

/// A bed of that name that lives is the one that was asked for, or is waited for; one that is asked for
/// differently is refused. `None` if there is none, or none that is whole.
pub(super) fn already_up(
    home: &Home,
    request: &Request,
    folder: &Path,
    progress: &Progress,
) -> Result<Option<Bed>> {
    // A record that cannot be read is as good as none: the bed is made anew.
    let Ok(Some(record)) = Bed::record_of(folder) else { return Ok(None) };
    let name = &request.name;
    if let Some(context) = record.context {
        return Err(Error::Refuse(format!(
            "bed `{name}` is the cluster of context `{context}`: `cargo bed down --name {name}` lets go of it"
        )));
    }
    if process::supervisor(folder)?.is_none() {
        return Ok(None);
    }
    check_same(&record, request)?;
    let state = State::read(folder).unwrap_or_default().unwrap_or_default();
    if state.failed.is_some() || !state.dead_parts().is_empty() {
        progress.line(&format!("  !    bed `{name}` is broken: starting over"));
        return Ok(None);
    }
    if !state.ready {
        progress.line(&format!("  ..   bed `{name}` is coming up already: following"));
        if follow(folder, progress).is_err() {
            progress.line("  !    it failed: starting over");
            return Ok(None);
        }
    }
    if digest::of_file(Path::new("/proc/self/exe"))? != record.made_by {
        progress.line(&format!(
            "  !    bed `{name}` was made by another build of this tool: down and up again makes it anew"
        ));
    }
    progress.line(&format!("  ok   bed `{name}` is up already"));
    Bed::attach_in(home, name).map(Some)
}

fn check_same(record: &Record, request: &Request) -> Result<()> {
    let difference = if record.profile != request.profile {
        format!("with profile {}", record.profile)
    } else if request.port != 0 && record.port != request.port {
        format!("at port {}", record.port)
    } else {
        return Ok(());
    };
    let name = &record.name;
    Err(Error::Refuse(format!(
        "bed `{name}` is up {difference}: take it down first (`cargo bed down --name {name}`), or choose \
         another name"
    )))
}
