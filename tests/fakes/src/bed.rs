//! A bed of a test's own, beside those that suites share.

use std::{path::Path, process::Command};

use understudy_bed::{Error, Profile, Result};

/// A bed that ends with it, whatever happens.
#[derive(Debug)]
pub struct Own(String);

impl Own {
    /// Brings one up; the topic tells it from others of the same test.
    pub fn up(profile: Profile, topic: &str) -> Result<Self> {
        let own = Self(format!("verify-{topic}-{}", std::process::id()));
        bed(&["up", "--profile", profile.name(), "--name", &own.0])?;
        Ok(own)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = bed(&["down", "--name", &self.0]);
    }
}

/// Runs the bed program that was built beside the test.
fn bed(words: &[&str]) -> Result<()> {
    let test = std::env::current_exe().map_err(|error| Error::Bed(error.to_string()))?;
    let folder = test.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    let output = Command::new(folder.join("bed")).args(words).output();
    let output = output.map_err(|error| Error::Bed(format!("bed: {error}")))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(Error::Bed(said)) }
}
