//! Which preview a link's key stands for. Keys are found by their hashes, so the time that a look takes tells
//! nothing about the keys there are.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use serde::Deserialize;

use crate::evidence::{
    error::StoreError,
    layout::{Digest, Place, PreviewKey, Uid},
    store::Evidence,
};

/// The keys of all previews with evidence. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Keys(Arc<RwLock<HashMap<Digest, Uid>>>);

/// What is needed of a preview's record.
#[derive(Deserialize)]
struct Record {
    key: String,
}

impl Keys {
    /// Learns the keys of all previews in the store: how many. A record that cannot be understood is left out.
    pub(crate) async fn load(&self, evidence: &Evidence) -> Result<usize, StoreError> {
        let mut count = 0;
        for preview in evidence.previews().await? {
            let Some(record) = evidence.read(&preview, &Place::Record).await? else { continue };
            let record = serde_json::from_slice(&record).ok();
            let key = record.and_then(|Record { key }| key.parse::<PreviewKey>().ok());
            let Some(key) = key else {
                tracing::warn!(
                    "the evidence of preview {preview} has no key, so no link leads to it"
                );
                continue;
            };
            self.learn(&key, preview);
            count += 1;
        }
        Ok(count)
    }

    /// Learns one key.
    pub(crate) fn learn(&self, key: &PreviewKey, preview: Uid) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key.hash(), preview);
    }

    /// Whose key this is.
    pub(crate) fn find(&self, key: &PreviewKey) -> Option<Uid> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key.hash()).cloned()
    }
}
