//! Whether a store can be trusted with evidence is tried out before anything is given to it.

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, path::Path};

use crate::evidence::{error::StoreError, layout::Uid, store::Evidence};

impl Evidence {
    /// Tries everything that we need: writing, creating once and only once, reading, removing.
    pub(crate) async fn prove(&self) -> Result<(), StoreError> {
        let path = self.layout().probe(&Uid::random());
        let proved = self.prove_at(&path).await;
        let removed = self.remove(&path).await;
        proved.and(removed)
    }

    async fn prove_at(&self, path: &Path) -> Result<(), StoreError> {
        let subject = |doing: &str| format!("trying out the evidence store by {doing} {path}");
        let body = Bytes::from(path.to_string());
        let create = || self.objects().put_opts(path, body.clone().into(), PutMode::Create.into());
        let created = self.within(|| subject("creating"), create()).await;
        created.map_err(StoreError::of_writing)?;
        match self.within(|| subject("creating again"), create()).await {
            Err(StoreError::MeetAnother { .. }) => {}
            Err(error) => return Err(error),
            Ok(_) => return Err(StoreError::LackCreate { subject: subject("creating again") }),
        }
        let read = async { self.objects().get(path).await?.bytes().await };
        if self.within(|| subject("reading"), read).await? == body {
            Ok(())
        } else {
            Err(StoreError::ReadOther { subject: subject("reading") })
        }
    }
}
