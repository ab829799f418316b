//! The kinds we follow in previews: where each is found, and how much of it is watched.

/// A kind of the API server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    /// `apps/v1`, or `v1` for the core group.
    pub(crate) api_version: String,
    /// `deployments`.
    pub(crate) plural: String,
}

/// How much of a kind is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Its metadata: enough to see that somebody changed it.
    Metadata,
    /// The whole of it, for its status.
    Whole,
    /// Nothing: single objects are read by name, when something else leads there.
    Named,
}

/// Every kind that previews are made of. Secrets are not followed: no right of ours reaches all of them.
pub(crate) const FOLLOWED: [(&str, &str, &str, Sight); 16] = [
    ("v1", "Namespace", "namespaces", Sight::Whole),
    ("v1", "Pod", "pods", Sight::Whole),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", Sight::Metadata),
    ("v1", "ResourceQuota", "resourcequotas", Sight::Metadata),
    ("v1", "LimitRange", "limitranges", Sight::Metadata),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", Sight::Metadata),
    ("v1", "ServiceAccount", "serviceaccounts", Sight::Metadata),
    ("v1", "ConfigMap", "configmaps", Sight::Metadata),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", Sight::Metadata),
    ("v1", "Service", "services", Sight::Metadata),
    ("apps/v1", "Deployment", "deployments", Sight::Whole),
    ("apps/v1", "StatefulSet", "statefulsets", Sight::Whole),
    ("batch/v1", "Job", "jobs", Sight::Whole),
    ("batch/v1", "CronJob", "cronjobs", Sight::Metadata),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", Sight::Metadata),
    ("v1", "Secret", "secrets", Sight::Named),
];

impl Kind {
    /// The kind of that version and name, if it is one of those that are followed.
    pub(crate) fn find(api_version: &str, kind: &str) -> Option<Self> {
        let found = FOLLOWED.iter().find(|one| (one.0, one.1) == (api_version, kind))?;
        Some(Self::of(found.0, found.2))
    }

    /// A kind by version and plural name.
    pub(crate) fn of(api_version: &str, plural: &str) -> Self {
        Self { api_version: api_version.to_owned(), plural: plural.to_owned() }
    }

    /// The path of an object, or of all of them if `name` is empty; `namespace` is empty for what has
    /// none.
    pub(crate) fn path(&self, namespace: &str, name: &str) -> String {
        let root = if self.api_version.contains('/') { "/apis/" } else { "/api/" };
        let mut path = format!("{root}{}", self.api_version);
        if !namespace.is_empty() {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        path.push('/');
        path.push_str(&self.plural);
        if !name.is_empty() {
            path.push('/');
            path.push_str(name);
        }
        path
    }
}
