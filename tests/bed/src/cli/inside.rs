//! `run` and `forward`: from here into a bed, and back.

use std::{process::ExitCode, thread, time::Duration};

use crate::{
    bed::Bed,
    error::{Error, Result},
    net,
};

/// Runs the command inside the bed; its exit code is ours.
pub(super) fn run(bed: &Bed, words: &[String]) -> Result<ExitCode> {
    let Some((program, words)) = words.split_first() else {
        return Err(Error::Refuse("say what to run after `--`".to_owned()));
    };
    let status = bed
        .inside(program)?
        .args(words)
        .status()
        .map_err(|source| Error::Spawn { program: "nsenter".to_owned(), source })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Carries connections until interrupted, or until the bed ends.
pub(super) fn forward(bed: &Bed, forwards: &[String], expose: &[String]) -> Result<()> {
    let mut open = Vec::new();
    for text in forwards {
        let (host, inside) = pair(text, "HOST=BED")?;
        let forward = bed.forward_from(host, inside)?;
        println!("{} -> {inside} in the bed", forward.local());
        open.push(forward);
    }
    for text in expose {
        let (inside, host) = pair(text, "BED=HOST")?;
        let forward = bed.expose(inside, host)?;
        println!("{} in the bed -> {host}", forward.local());
        open.push(forward);
    }
    let mut told = 0;
    while bed.supervisor().is_some() {
        thread::sleep(Duration::from_millis(500));
        let refused = open.iter().map(net::Forward::refused).sum();
        if refused > told {
            told = refused;
            eprintln!("{refused} connections so far found nobody listening at the other end");
        }
    }
    println!("the bed ended");
    Ok(())
}

fn pair<'text>(text: &'text str, form: &str) -> Result<(&'text str, &'text str)> {
    text.split_once('=').ok_or_else(|| {
        Error::Refuse(format!("`{text}` is not {form}, such as 127.0.0.1:8080=198.18.255.1:80"))
    })
}
