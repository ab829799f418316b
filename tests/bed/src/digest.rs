//! Content keys: what a cached thing was made from, and what it is.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// A SHA-256 under construction over named pieces; two keys are equal only if all pieces are.
#[derive(Default)]
pub struct Key(Sha256);

impl Key {
    /// Adds a named piece. Lengths are hashed too, so pieces cannot run into each other.
    #[must_use]
    pub fn with(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        for bytes in [name.as_bytes(), content.as_ref()] {
            self.0.update((bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        }
        self
    }

    /// The first 16 hexadecimal digits: enough to tell the contents of one machine's cache apart.
    pub fn short(self) -> String {
        let mut text = hexadecimal(&self.0.finalize());
        text.truncate(16);
        text
    }
}

/// The SHA-256 of a file, in hexadecimal digits.
pub fn of_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::touch("read", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hexadecimal(&hash.finalize())),
            Ok(count) => hash.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::touch("read", path)(error)),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
