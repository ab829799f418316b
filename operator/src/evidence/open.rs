//! Finding the evidence store by its address: a folder, a bucket of one of three clouds, or the memory of a test.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig,
    aws::AmazonS3Builder, azure::MicrosoftAzureBuilder, gcp::GoogleCloudStorageBuilder,
    local::LocalFileSystem, memory::InMemory, multipart::MultipartStore, path::Path,
};
use url::Url;

use crate::evidence::{
    layout::Layout,
    store::{Backend, Evidence},
};

/// How long a store may take to connect.
const CONNECT: Duration = Duration::from_secs(5);

/// How often a request is repeated within the time that a call has.
const RETRIES: usize = 4;

/// An address that leads to no store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// It is none of ours.
    #[error(
        "\"{scheme}:\" is no evidence store; write file:///folder, s3://bucket/prefix, gs://bucket/prefix or \
         az://container/prefix"
    )]
    UseScheme {
        /// What stands before the colon.
        scheme: String,
    },
    /// It names a host where a folder should begin.
    #[error("an evidence folder is written with three slashes, as in file:///var/lib/understudy")]
    NameFolder,
    /// It names no bucket.
    #[error("the evidence store's address names no bucket; write {scheme}://bucket/prefix")]
    NameBucket {
        /// What stands before the colon.
        scheme: String,
    },
    /// Credentials, questions or fragments stand in it.
    #[error(
        "the evidence store's address holds more than a bucket and a prefix; credentials and settings come from the \
         environment, as in AWS_ACCESS_KEY_ID"
    )]
    HoldMore,
    /// Its prefix has empty parts, dots, or characters that are no text.
    #[error("the prefix of the evidence store's address cannot be used: {0}")]
    ReadPrefix(#[source] object_store::path::Error),
    /// The folder cannot be made or entered.
    #[error("the evidence folder \"{}\" cannot be used: {source}", folder.display())]
    EnterFolder {
        /// Where it should be.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Credentials, regions or the like are missing or contradict each other.
    #[error("the evidence store's settings cannot be used: {0}")]
    Configure(#[source] Box<object_store::Error>),
}

impl Evidence {
    /// Opens the store at `url`. `settings` are those of the environment: of the names that begin with `AWS_`,
    /// `GOOGLE_` or `AZURE_`, the ones that fit the store are used. Nothing is sent yet; [`Evidence::prove`] does.
    pub(crate) fn open(
        url: &Url,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, OpenError> {
        if url.scheme() == "file" {
            return folder(url).map(Self::behind);
        }
        let scheme = || url.scheme().to_owned();
        let bucketed = matches!(url.scheme(), "s3" | "gs" | "az");
        if !bucketed && url.scheme() != "memory" {
            return Err(OpenError::UseScheme { scheme: scheme() });
        }
        if bucketed && url.host_str().is_none_or(str::is_empty) {
            return Err(OpenError::NameBucket { scheme: scheme() });
        }
        let named = !url.username().is_empty() || url.password().is_some() || url.port().is_some();
        if named || url.query().is_some() || url.fragment().is_some() {
            return Err(OpenError::HoldMore);
        }
        let prefix = Path::from_url_path(url.path()).map_err(OpenError::ReadPrefix)?;
        let settings = settings.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (store, parts) = match ObjectStoreScheme::parse(url) {
            Ok((ObjectStoreScheme::AmazonS3, _)) => both(s3(url, settings)?),
            Ok((ObjectStoreScheme::GoogleCloudStorage, _)) => both(google(url, settings)?),
            Ok((ObjectStoreScheme::MicrosoftAzure, _)) => both(azure(url, settings)?),
            Ok((ObjectStoreScheme::Memory, _)) => both(InMemory::new()),
            _ => return Err(OpenError::UseScheme { scheme: scheme() }),
        };
        let layout = Layout::under(prefix);
        Ok(Self::behind(Backend { store, parts: Some(parts), layout, folder: None }))
    }
}

/// One store under its two faces: whole objects, and uploads in parts that can be given up after a restart.
fn both<S: ObjectStore + MultipartStore>(
    store: S,
) -> (Arc<dyn ObjectStore>, Arc<dyn MultipartStore>) {
    let store = Arc::new(store);
    (Arc::<S>::clone(&store), store)
}

/// A folder, made if it is not there.
fn folder(url: &Url) -> Result<Backend, OpenError> {
    if url.query().is_some() || url.fragment().is_some() {
        return Err(OpenError::HoldMore);
    }
    let folder = match url.to_file_path() {
        Ok(folder) if url.host_str().is_none_or(str::is_empty) => folder,
        _ => return Err(OpenError::NameFolder),
    };
    let enter = |source| OpenError::EnterFolder { folder: folder.clone(), source };
    std::fs::create_dir_all(&folder).map_err(enter)?;
    let folder = folder.canonicalize().map_err(enter)?;
    let store = LocalFileSystem::new_with_prefix(&folder).map_err(unusable)?;
    let store = Arc::new(store.with_automatic_cleanup(true).with_fsync(true));
    let layout = Layout::under(Path::default());
    Ok(Backend { store, parts: None, layout, folder: Some(folder) })
}

fn s3(
    url: &Url,
    settings: impl Iterator<Item = (String, String)>,
) -> Result<object_store::aws::AmazonS3, OpenError> {
    let builder = AmazonS3Builder::new()
        .with_url(url.as_str())
        .with_client_options(client())
        .with_retry(retry());
    settings
        .filter(|(name, _)| name.starts_with("aws_"))
        .filter_map(|(name, value)| Some((name.parse().ok()?, value)))
        .fold(builder, |builder, (name, value)| builder.with_config(name, value))
        .build()
        .map_err(unusable)
}

fn google(
    url: &Url,
    settings: impl Iterator<Item = (String, String)>,
) -> Result<object_store::gcp::GoogleCloudStorage, OpenError> {
    let builder = GoogleCloudStorageBuilder::new()
        .with_url(url.as_str())
        .with_client_options(client())
        .with_retry(retry());
    settings
        .filter(|(name, _)| name.starts_with("google_"))
        .filter_map(|(name, value)| Some((name.parse().ok()?, value)))
        .fold(builder, |builder, (name, value)| builder.with_config(name, value))
        .build()
        .map_err(unusable)
}

fn azure(
    url: &Url,
    settings: impl Iterator<Item = (String, String)>,
) -> Result<object_store::azure::MicrosoftAzure, OpenError> {
    let builder = MicrosoftAzureBuilder::new()
        .with_url(url.as_str())
        .with_client_options(client())
        .with_retry(retry());
    settings
        .filter(|(name, _)| name.starts_with("azure_"))
        .filter_map(|(name, value)| Some((name.parse().ok()?, value)))
        .fold(builder, |builder, (name, value)| builder.with_config(name, value))
        .build()
        .map_err(unusable)
}

fn unusable(error: object_store::Error) -> OpenError {
    OpenError::Configure(Box::new(error))
}

/// No limit on a whole answer, which may be a long video for a slow reader: every piece has its own.
fn client() -> ClientOptions {
    ClientOptions::new().with_connect_timeout(CONNECT).with_timeout_disabled()
}

fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig { max_backoff: Duration::from_secs(3), ..BackoffConfig::default() },
        max_retries: RETRIES,
        retry_timeout: Duration::from_secs(20),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use url::Url;

    use crate::evidence::store::Evidence;

    #[rstest]
    #[case("http://bucket/x", "\"http:\" is no evidence store")]
    #[case("https://bucket.s3.amazonaws.com/x", "\"https:\" is no evidence store")]
    #[case("file://data/evidence", "with three slashes")]
    #[case("s3:///prefix", "names no bucket; write s3://bucket/prefix")]
    #[case("s3://key:secret@bucket/x", "credentials and settings come from the environment")]
    #[case("s3://bucket/x?region=eu", "credentials and settings come from the environment")]
    #[case("memory:///a//b", "cannot be used")]
    #[case("file:///proc/none", "the evidence folder \"/proc/none\" cannot be used")]
    #[case("az://container/x", "settings cannot be used")]
    fn address_with_a_mistake_is_refused_with_a_sentence(#[case] url: &str, #[case] why: &str) {
        let url: Url = url.parse().expect("a URL");
        let said = Evidence::open(&url, []).expect_err("refused").to_string();
        assert!(said.contains(why), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }

    #[rstest]
    #[case("memory:///", &[])]
    #[case("memory:///some/prefix", &[])]
    #[case("s3://bucket/prefix", &[("AWS_REGION", "eu-1"), ("TOKEN", "not for us")])]
    #[case("az://container/prefix", &[("AZURE_STORAGE_ACCOUNT_NAME", "one")])]
    fn address_without_one_is_opened(#[case] url: &str, #[case] settings: &[(&str, &str)]) {
        let url: Url = url.parse().expect("a URL");
        let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Evidence::open(&url, settings).expect("opened");
    }
}
