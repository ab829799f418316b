//! What people type: settings are read here and nowhere else.

use std::io::Write;

use clap::{Parser, Subcommand};
use understudy_crds::definitions;

/// A stand-in for every pull request.
#[derive(Debug, Parser)]
#[command(name = "understudy", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Print the custom resource definitions as YAML, for `kubectl apply --filename=-`
    Crds {
        /// Only this kind, by its plural name
        kind: Option<String>,
    },
    /// Print the version
    Version,
}

/// Why a role could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A kind that is not ours.
    #[error(
        "there is no kind `{0}`: choose previewrepositories, previewtemplates or previewenvironments"
    )]
    FindKind(String),
    /// YAML could not be written.
    #[error("cannot write YAML: {0}")]
    WriteYaml(String),
    /// Standard output could not be written.
    #[error("cannot print: {0}")]
    Print(#[source] std::io::Error),
}

impl Cli {
    /// Carries the role out.
    pub(crate) fn run(self) -> Result<(), Error> {
        let text = match self.role {
            Role::Crds { kind } => crds(kind.as_deref())?,
            Role::Version => format!("understudy {}\n", env!("CARGO_PKG_VERSION")),
        };
        std::io::stdout().write_all(text.as_bytes()).map_err(Error::Print)
    }
}

fn crds(kind: Option<&str>) -> Result<String, Error> {
    let chosen: Vec<_> = definitions()
        .into_iter()
        .filter(|one| {
            kind.is_none_or(|kind| {
                one.pointer("/spec/names/plural").is_some_and(|plural| plural == kind)
            })
        })
        .collect();
    if chosen.is_empty() {
        return Err(Error::FindKind(kind.unwrap_or_default().to_owned()));
    }
    let documents = chosen
        .iter()
        .map(|one| {
            serde_saphyr::to_string(one).map_err(|error| Error::WriteYaml(error.to_string()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(documents.join("---\n"))
}
