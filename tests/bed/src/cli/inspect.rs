//! `status` and `logs`.

use std::{fs, path::Path, process::ExitCode};

use comfy_table::{Table, presets::NOTHING};

use super::print;
use crate::{
    command,
    error::{Error, Result},
    home::Home,
    lifecycle::{self, Health, Report},
    supervisor,
};

/// Prints a line per bed, and one per part that ended; 1 if one of them is broken.
pub(super) fn status(home: &Home, name: Option<&str>) -> Result<ExitCode> {
    let reports: Vec<Report> = lifecycle::reports(home)?
        .into_iter()
        .filter(|report| name.is_none_or(|name| name == report.name))
        .collect();
    if reports.is_empty() {
        print(&name.map_or_else(|| "no bed is up".to_owned(), |name| no_such_bed(home, name)));
        return Ok(if name.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["NAME", "PROFILE", "STATE", "PARTS", "KUBECONFIG"]);
    for report in &reports {
        let running = report.parts.values().filter(|part| part.exit.is_none()).count();
        table.add_row([
            report.name.clone(),
            report
                .record
                .as_ref()
                .map_or_else(|| "?".to_owned(), |record| record.profile.to_string()),
            state(&report.health).to_owned(),
            format!("{running}/{}", report.parts.len()),
            report
                .record
                .as_ref()
                .map_or_else(String::new, |record| record.kubeconfig.display().to_string()),
        ]);
    }
    print(&table.trim_fmt());
    for report in &reports {
        if let Some(text) = trouble(home, report) {
            print(&format!("\n{text}"));
        }
    }
    let healthy = |report: &Report| {
        matches!(report.health, Health::Up | Health::ComingUp(_) | Health::Foreign)
    };
    Ok(if reports.iter().all(healthy) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// There is none of that name, but perhaps others.
pub(super) fn no_such_bed(home: &Home, name: &str) -> String {
    let names: Vec<String> =
        lifecycle::reports(home).unwrap_or_default().into_iter().map(|one| one.name).collect();
    if names.is_empty() {
        format!("there is no bed `{name}`, nor any other")
    } else {
        format!("there is no bed `{name}`; there are: {}", names.join(", "))
    }
}

const fn state(health: &Health) -> &'static str {
    match health {
        Health::Up => "up",
        Health::ComingUp(_) => "coming up",
        Health::Crashed(_) => "crashed",
        Health::Failed(_) => "failed",
        Health::Dead => "dead",
        Health::Foreign => "not ours",
    }
}

/// What a person should know and do, if anything.
fn trouble(home: &Home, report: &Report) -> Option<String> {
    let name = &report.name;
    match &report.health {
        Health::Up | Health::Foreign => None,
        Health::ComingUp(step) => Some(format!("{name}: at the step: {step}")),
        Health::Dead => Some(format!(
            "{name}: its first process is gone (a killed run, or a restart of the machine): \
             `cargo bed up` starts over, `cargo bed down --name {name}` removes it"
        )),
        Health::Failed(why) => Some(format!("{name}: {why}")),
        Health::Crashed(parts) => {
            let logs = home.beds().join(name).join("logs");
            let texts: Vec<String> = parts
                .iter()
                .map(|(part, exit)| {
                    let tail = command::last_lines_of(&logs.join(format!("{part}.log")), 5);
                    format!("{name}: {part} ended ({exit}); the end of its log:\n{tail}")
                })
                .collect();
            Some(texts.join("\n"))
        }
    }
}

/// Prints the log of a part, or says which there are.
pub(super) fn logs(folder: &Path, part: Option<&str>, tail: Option<usize>) -> Result<()> {
    let logs = folder.join("logs");
    let mut names: Vec<String> = fs::read_dir(&logs)
        .map_err(|_| Error::Refuse(format!("there are no logs in {}", logs.display())))?
        .flatten()
        .filter_map(|item| item.file_name().to_str()?.strip_suffix(".log").map(str::to_owned))
        .collect();
    names.sort();
    let Some(part) = part else {
        print(&names.join("\n"));
        return Ok(());
    };
    let part = &supervisor::log_name(part);
    if !names.contains(part) {
        return Err(Error::Refuse(format!(
            "there is no log of `{part}`: choose {}",
            names.join(", ")
        )));
    }
    let path = logs.join(format!("{part}.log"));
    if let Some(count) = tail {
        print(&command::last_lines_of(&path, count));
    } else {
        let mut file = fs::File::open(&path).map_err(Error::touch("read", &path))?;
        // A reader that has gone away is no trouble of ours.
        let _ = std::io::copy(&mut file, &mut std::io::stdout());
    }
    Ok(())
}
