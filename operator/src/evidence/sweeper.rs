//! What is too old, or too much, goes by and by.

use std::{collections::HashSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use understudy_core::{evidence::Manifest, run::Begun};

use super::{retention::Retention, sweep::Reading};
use crate::cluster::world::World;

/// Between two sweeps.
const PAUSE: Duration = Duration::from_hours(1);

/// Sweeps for ever, the first time after a pause: who leads then has seen every preview.
pub(super) async fn sweep(world: Arc<World>, policy: Retention) {
    let check = |bytes: &[u8]| serde_json::from_slice::<Begun>(bytes).ok().map(|begun| begun.check);
    let digests = |bytes: &[u8]| {
        let manifest = Manifest::parse(bytes).ok()?;
        Some(manifest.files().map(|file| file.digest.into()).collect())
    };
    loop {
        tokio::time::sleep(PAUSE).await;
        // Nothing is removed for a preview that was only not seen.
        if !world.unsynced().is_empty() {
            continue;
        }
        let open: HashSet<_> = world
            .previews()
            .state()
            .iter()
            .filter_map(|preview| preview.metadata.uid.as_ref()?.parse().ok())
            .collect();
        let reading = Reading { check, digests };
        match world.keeper.evidence().sweep(policy, &open, reading, Timestamp::now()).await {
            Ok(swept) if swept.objects > 0 => {
                tracing::info!(
                    "{} objects of old evidence went, {} bytes",
                    swept.objects,
                    swept.bytes
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!("old evidence stays for now: {error}"),
        }
    }
}
