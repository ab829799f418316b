//! What suites of the operator stand on: a bed with our kinds, and connections to it.

use std::{collections::BTreeMap, path::PathBuf, sync::OnceLock};

use serde_json::json;
use understudy_bed::{
    Bed, Error, Profile, Result,
    audit::{Mark, Request, count},
    testing::{Failure, shared},
};
use understudy_fakes::{Cluster, Operator, scene::upstream};

/// A bed with our kinds, the administrator's connection, and the operator's.
pub(crate) struct Stage {
    pub(crate) bed: Bed,
    pub(crate) cluster: Cluster,
    pub(crate) upstream: (Cluster, Option<PathBuf>),
    /// The id of the operator's token: what was asked with it was asked by this story's operator.
    pub(crate) credential: String,
    _folder: tempfile::TempDir,
}

/// Sets it up on the shared fleet bed.
pub(crate) async fn stage() -> Result<Stage> {
    stage_on(shared(Profile::Fleet)?).await
}

/// Sets it up; operators go straight to the API server.
pub(crate) async fn stage_on(bed: Bed) -> Result<Stage> {
    let cluster = Cluster::connect(bed.kubeconfig()).await?;
    cluster.install(&bed, &Operator::roles()?).await?;
    let folder = tempfile::tempdir().map_err(|error| Error::Bed(error.to_string()))?;
    let (account, kubeconfig) = upstream(&bed, folder.path()).await?;
    let credential = credential(&account).await?;
    Ok(Stage { bed, cluster, upstream: (account, Some(kubeconfig)), credential, _folder: folder })
}

const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";

async fn credential(account: &Cluster) -> Result<String> {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let answer = account.create(path, &review).await?;
    let extra = answer.pointer("/status/userInfo/extra").and_then(|extra| extra.get(CREDENTIAL));
    let id = extra.and_then(|ids| ids.get(0)?.as_str()).map(str::to_owned);
    id.ok_or_else(|| Error::Bed("the operator's token has no id".to_owned()))
}

impl Stage {
    /// What the operator asked of the API server since the mark, by act; leases, which it renews whatever
    /// happens, and its one question who it is are left out.
    pub(crate) fn requests(
        &self,
        mark: Mark,
        chosen: impl Fn(&Request) -> bool,
    ) -> Result<BTreeMap<String, usize>> {
        let ours = |request: &Request| {
            let ids = request.user.extra.get(CREDENTIAL);
            ids.is_some_and(|ids| ids.contains(&self.credential))
                && !request.uri.contains("/leases")
                && !request.uri.contains("selfsubjectreviews")
                && chosen(request)
        };
        Ok(count(&self.bed.audit().since(&self.bed, mark)?, ours))
    }
}

static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();

/// Runs a story to its end.
pub(crate) fn block_on<T>(
    story: impl Future<Output = Result<T>>,
) -> std::result::Result<T, Failure> {
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be made")
    });
    Ok(runtime.block_on(story)?)
}
