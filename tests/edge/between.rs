//! Clients of HTTP/2 before pods of HTTP/1.1: what the one says otherwise than the other arrives as it was meant.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{io::AsyncReadExt, net::TcpStream};
use understudy_bed::Result;
use understudy_fakes::{
    backend::{AsyncAnswer, Backend},
    edge::INSIDE,
};

use crate::{
    Scene,
    frames::{
        CANCEL, DATA, END_HEADERS, END_STREAM, HEADERS, NO_ERROR, RESET, Wire, field, frame,
        numbered, request,
    },
    port, scene, until,
};

pub(crate) async fn story() -> Result<()> {
    let scene = scene("between", &[]).await?;
    told(&scene).await?;
    halves(&scene).await
}

/// Cookies in pieces, a host with a port, and a GET with a body whose length nobody said.
async fn told(scene: &Scene) -> Result<()> {
    let backend = Backend::echo(&scene.stage.bed, port()).await?;
    let (_, host) = scene.serve("told", &backend).await?;
    let mut wire = Wire::client(scene.dial()?, &[]).await?;
    let fields = [
        request("GET", &format!("{host}:8443"), "/"),
        field("cookie", "a=1"),
        field("cookie", "b=2"),
    ];
    wire.send(&frame(HEADERS, END_HEADERS, 1, &fields.concat())).await?;
    wire.send(&frame(DATA, END_STREAM, 1, b"hello")).await?;
    let mut body = Vec::new();
    while let Some(one) = wire.read.next().await? {
        if one.kind == DATA {
            body.extend(&one.payload);
        }
        if one.flags & END_STREAM != 0 && matches!(one.kind, HEADERS | DATA) {
            break;
        }
    }
    let seen: Value = serde_json::from_slice(&body).unwrap_or_default();
    let said = |name: &str| {
        let all = seen["headers"].as_array().into_iter().flatten();
        let values: Vec<&str> =
            all.filter(|pair| pair[0] == name).filter_map(|pair| pair[1].as_str()).collect();
        values.join("|")
    };
    assert_eq!(said("cookie"), "a=1; b=2");
    assert_eq!(
        (said("host"), said("x-forwarded-host")),
        (format!("{host}:8443"), format!("{host}:8443"))
    );
    assert_eq!(said("x-forwarded-port"), "8443");
    assert_eq!(seen["body"], "hello", "{seen}");
    Ok(())
}

/// A pod that keeps what it hears and never answers.
#[derive(Debug, Clone, Default)]
struct Hears(Arc<Mutex<Vec<(String, bool)>>>);

impl AsyncAnswer for Hears {
    async fn serve(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let whole = text.ends_with("0\r\n\r\n");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((text, whole));
    }
}

/// Half of a body, and then a reset that some libraries take for an end: the pod never sees an end of it.
async fn halves(scene: &Scene) -> Result<()> {
    let pod = Hears::default();
    let backend = Backend::start(&scene.stage.bed, port(), pod.clone()).await?;
    let preview = scene.open("halves").await?;
    preview.pods(&[(INSIDE, backend.port, "a")]).await?;
    let uploads = || {
        let all = pod.0.lock().unwrap_or_else(PoisonError::into_inner);
        let uploads = all.iter().filter(|(text, _)| text.contains("half"));
        uploads.map(|(_, whole)| *whole).collect::<Vec<bool>>()
    };
    for (number, code) in [NO_ERROR, CANCEL].into_iter().enumerate() {
        // A watch takes a moment: until then nothing is heard.
        let heard = until(
            async || {
                let mut wire = Wire::client(scene.dial()?, &[]).await?;
                wire.send(&crate::frames::post(1, &preview.host(), "/upload")).await?;
                wire.send(&frame(DATA, 0, 1, b"half")).await?;
                tokio::time::sleep(Duration::from_millis(200)).await;
                wire.send(&numbered(RESET, 1, code)).await?;
                wire.settle().await?;
                tokio::time::sleep(Duration::from_millis(200)).await;
                Ok(uploads())
            },
            |heard| heard.len() > number,
        )
        .await?;
        assert!(heard.len() > number, "code {code}: the pod heard of none");
        assert!(heard.iter().all(|whole| !whole), "code {code}: {heard:?}");
    }
    Ok(())
}
