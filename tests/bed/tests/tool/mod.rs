//! Running the bed program as people do.

use std::process::{Command, Output};

/// The program under test.
pub(crate) fn bed() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bed"));
    command.env_remove("KUBEBUILDER_ASSETS").env_remove("UNDERSTUDY_BED");
    command
}

/// Standard output and error, as one text.
pub(crate) fn said(output: &Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

/// Runs it and expects success.
pub(crate) fn done(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?} failed ({}):\n{}", output.status, said(&output));
    said(&output)
}

/// Ends a bed when a test ends, however it ends.
pub(crate) struct Ended(pub(crate) String);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = bed().args(["down", "--name", &self.0]).output();
    }
}
