//! `up --context`: a cluster that somebody has already, under a bed's name.

use std::{env, path::PathBuf, process::Command};

use crate::{
    bed::{Bed, Record},
    command,
    error::{Error, Result},
    home::{self, Home},
    lifecycle,
    profile::Profile,
};

/// Notes the cluster of that context as a bed; nothing is made or changed in it.
pub(super) fn adopt(home: &Home, name: &str, context: &str) -> Result<()> {
    lifecycle::check_name(name)?;
    let folder = home.beds().join(name);
    if let Some(record) = Bed::record_of(&folder)?
        && record.context.is_none()
    {
        return Err(Error::Refuse(format!(
            "bed `{name}` is up already with profile {}: choose another name",
            record.profile
        )));
    }
    let kubeconfig = env::var_os("KUBECONFIG")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".kube/config")))
        .filter(|path| path.is_file())
        .ok_or_else(|| {
            Error::Refuse("there is no kubeconfig file: set KUBECONFIG to one".to_owned())
        })?;
    if !command::exists("kubectl") {
        return Err(Error::Refuse("`kubectl` is not in PATH; `--context` needs it".to_owned()));
    }
    let mut look = Command::new("kubectl");
    look.arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--context={context}"))
        .args(["get", "--raw=/version", "--request-timeout=10s"]);
    command::run(&mut look).map_err(|error| {
        Error::Refuse(format!("the cluster of context `{context}` does not answer: {error}"))
    })?;
    let record = Record {
        name: name.to_owned(),
        profile: Profile::Control,
        kubectl: "kubectl".into(),
        kubeconfig,
        context: Some(context.to_owned()),
    };
    home::make_folder(&folder)?;
    let path = folder.join("bed.json");
    let text = serde_json::to_vec_pretty(&record)
        .map_err(|source| Error::Parse { path: path.clone(), source })?;
    home::write_atomically(&path, text)
}
