//! Metrics and health, for whoever runs us.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::cluster::world::World;

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, world: Arc<World>) {
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(world);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!("metrics and health are no longer served: {error}");
    }
}

/// Binds the address.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Ready when every watch has shown everything once; what is missing is named.
async fn ready(State(world): State<Arc<World>>) -> (StatusCode, String) {
    match world.unsynced() {
        missing if missing.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
        missing => {
            let text = format!("not seen yet: {}\n", missing.join(", "));
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

async fn metrics(State(world): State<Arc<World>>) -> String {
    let phases: Vec<String> = world
        .previews()
        .state()
        .iter()
        .map(|preview| {
            let phase = preview.data.pointer("/status/phase").and_then(Value::as_str);
            phase.unwrap_or("Pending").to_owned()
        })
        .collect();
    world.metrics.text(&phases)
}
