//! `up --context`: a cluster that somebody has already, under a bed's name.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::{
    bed::Record,
    command,
    error::{Error, Result},
    home::{self, Home},
    lifecycle, process,
    profile::Profile,
};

/// Notes the cluster of that context as a bed; nothing is made or changed in it.
pub(super) fn adopt(home: &Home, name: &str, context: &str) -> Result<()> {
    lifecycle::check_name(name)?;
    let _lock = home.lock(&format!("bed-{name}"), || {
        eprintln!("waiting for another command on bed `{name}`");
    })?;
    let folder = home.beds().join(name);
    if process::supervisor(&folder)?.is_some() {
        return Err(Error::Refuse(format!(
            "bed `{name}` is up: choose another name, or take it down"
        )));
    }
    if !command::exists("kubectl") {
        return Err(Error::Refuse("`kubectl` is not in PATH; `--context` needs it".to_owned()));
    }
    let own = |words: &[&str]| {
        // Which files it reads, kubectl knows best: KUBECONFIG may be a list.
        let mut kubectl = Command::new("kubectl");
        command::run(kubectl.arg(format!("--context={context}")).args(words))
    };
    let refused = |error: Error| {
        let why = command::last_lines(&error.to_string(), 1);
        Error::Refuse(format!("the cluster of context `{context}` does not answer: {why}"))
    };
    own(&["get", "--raw=/version", "--request-timeout=10s"]).map_err(refused)?;
    // That context alone: whoever uses the file must not end up in another cluster.
    let alone = own(&["config", "view", "--minify", "--flatten", "--raw"]).map_err(refused)?;
    home::remove_folder(&folder)?;
    home::make_folder(&folder)?;
    let file = folder.join("kubeconfig");
    home::write_atomically(&file, alone)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))
        .map_err(Error::touch("close", &file))?;
    let record = Record {
        name: name.to_owned(),
        profile: Profile::Control,
        kubectl: "kubectl".into(),
        kubeconfig: file,
        port: 0,
        made_by: String::new(),
        context: Some(context.to_owned()),
    };
    home::write_json(&folder.join("bed.json"), &record)
}
