//! HTTP/2 by the book, as h2spec asks for it, and every answer that differs by name.

use std::process::Command;

use serde_json::json;
use understudy_bed::{Error, Home, Result, part::H2SPEC, progress::Progress};
use understudy_fakes::{
    backend::Backend,
    edge::{INSIDE, get},
    tls::Pair,
};

use crate::{port, scene, until};

/// What is answered otherwise without TLS. Who begins with no preface of HTTP/2 is taken for a client of HTTP/1.1 and
/// told so in its words: 400, and the end of the connection. With TLS the protocol is agreed on before, and this one
/// is answered by the book as well.
const PLAIN: [&str; 1] = ["2: Sends invalid connection preface"];

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Bed(error.to_string())
}

pub(crate) async fn story() -> Result<()> {
    let entry = H2SPEC.ensure(&Home::find()?, &Progress::new())?;
    let folder = tempfile::tempdir().map_err(failed)?;
    Pair::new("preview.test")?.write(folder.path())?;
    let inside = format!("{INSIDE}:{}", port());
    let flags =
        [format!("--tls-dir={}", folder.path().display()), format!("--tls-listen={inside}")];
    let scene = scene("book", &flags.each_ref().map(String::as_str)).await?;
    // It asks for the host that it connects to, which belongs to no preview but this one.
    let preview = scene.open("web").await?;
    let backend = Backend::echo(&scene.stage.bed, port()).await?;
    preview.pods(&[(INSIDE, backend.port, "a")]).await?;
    let hosts =
        json!([{"name": "web", "url": format!("http://{INSIDE}"), "service": "web", "port": 80}]);
    preview.say(json!({"phase": "Ready", "hosts": hosts})).await?;
    let address = scene.edge.plain();
    let found = until(async || get(&address, INSIDE, "/").await, |one| one.status() == 200);
    assert_eq!(found.await?.status(), 200);
    let program = H2SPEC.program(&entry);
    let bed = &scene.stage.bed;
    let plain = asked(bed.inside(&program.to_string_lossy())?, scene.edge.inside(), &[]).await;
    let more = ["--tls", "--insecure"];
    let secure = asked(bed.inside(&program.to_string_lossy())?, &inside, &more).await;
    preview.close().await?;
    let (plain, secure) = (plain?, secure?);
    for (way, (sum, wrong)) in [("plain", &plain), ("TLS", &secure)] {
        println!("measured: h2spec {}, {way}: {sum}; {wrong:?}", H2SPEC.version);
    }
    assert_eq!(plain.1, PLAIN);
    assert_eq!(plain.0, "146 tests, 145 passed, 0 skipped, 1 failed");
    assert_eq!(secure.1, [""; 0]);
    assert_eq!(secure.0, "146 tests, 146 passed, 0 skipped, 0 failed");
    Ok(())
}

/// Its closing line, and what it was answered otherwise. It runs inside the bed: a forward between might lose the last
/// words of a connection that is reset.
async fn asked(
    mut command: Command,
    address: &str,
    more: &[&str],
) -> Result<(String, Vec<String>)> {
    let (host, port) = address.rsplit_once(':').unwrap_or_default();
    command.args(["--strict", "--host", host, "--port", port]).args(more);
    let output = tokio::task::spawn_blocking(move || command.output()).await.map_err(failed)?;
    let text = String::from_utf8_lossy(&output.map_err(failed)?.stdout).into_owned();
    let sum = text.lines().rfind(|line| line.contains(" tests, ")).unwrap_or_default().to_owned();
    let wrong = text.rsplit_once("Failures:").map_or("", |(_, wrong)| wrong).lines();
    let wrong = wrong.filter_map(|line| line.trim().strip_prefix("× ").map(str::to_owned));
    Ok((sum, wrong.collect()))
}
