//! What stays connected to the page: `/live`, a WebSocket that answers whatever is said, and `/events`, a stream that
//! tells of the stock each second. Both ask the API anew each time, and end with the curtain.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{
        State,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code},
    },
    http::HeaderMap,
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures::stream;
use tokio::time::{Interval, interval};

use crate::{
    api::Offer,
    curtain::{Curtain, Seat},
    request,
};

/// What is asked over the socket; everything else comes back as it was sent.
const QUESTION: &str = "stock";

/// How often the stream tells of the stock.
const PACE: Duration = Duration::from_secs(1);

/// After how much silence, for want of an API, the stream shows that it is alive.
const BEAT: Duration = Duration::from_secs(2);

/// The longest message taken. The whole program has 64 MiB.
const LONGEST: usize = 4 << 20;

struct Live {
    api: String,
    curtain: Curtain,
}

/// The live routes, with stock that the API at that address tells.
pub(crate) fn routes(api: String, curtain: Curtain) -> Router {
    Router::new()
        .route("/live", get(socket))
        .route("/events", get(events))
        .with_state(Arc::new(Live { api, curtain }))
}

impl Live {
    async fn stock(&self) -> Result<String, String> {
        let text = request::get(&self.api, "/products").await?;
        let offer: Offer = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        Ok(format!("{} products, commit {}", offer.products.len(), offer.commit))
    }
}

async fn socket(State(live): State<Arc<Live>>, upgrade: WebSocketUpgrade) -> impl IntoResponse {
    let upgrade = upgrade.max_message_size(LONGEST).max_frame_size(LONGEST);
    upgrade.on_upgrade(|socket| async move { talk(socket, &live).await })
}

/// Answers until the visitor leaves, or says that the program ends.
async fn talk(mut socket: WebSocket, live: &Live) {
    let mut seat = live.curtain.seat();
    loop {
        let said = tokio::select! {
            said = socket.recv() => said,
            () = seat.over() => break,
        };
        let Some(Ok(said)) = said else { return };
        if let Some(answer) = answer(said, live).await
            && socket.send(answer).await.is_err()
        {
            return;
        }
    }
    let reason = Utf8Bytes::from_static("the program ends");
    let goodbye = Message::Close(Some(CloseFrame { code: close_code::AWAY, reason }));
    if socket.send(goodbye).await.is_ok() {
        // The visitor's own goodbye is the last that comes.
        while let Some(Ok(_)) = socket.recv().await {}
    }
}

async fn answer(said: Message, live: &Live) -> Option<Message> {
    match said {
        Message::Text(text) if text.as_str() == QUESTION => {
            let stock = live.stock().await;
            Some(Message::from(stock.unwrap_or_else(|why| format!("no stock: {why}"))))
        }
        Message::Text(_) | Message::Binary(_) => Some(said),
        // The library answers these.
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => None,
    }
}

async fn events(State(live): State<Arc<Live>>, headers: HeaderMap) -> impl IntoResponse {
    // Whoever comes back says what it heard last, and the count goes on there.
    let heard = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let seat = live.curtain.seat();
    let told = Told { live, seat, ticks: interval(PACE), count: heard.unwrap_or(0) };
    Sse::new(stream::unfold(told, next)).keep_alive(KeepAlive::new().interval(BEAT))
}

/// What one visitor was told so far.
struct Told {
    live: Arc<Live>,
    seat: Seat,
    ticks: Interval,
    count: u64,
}

async fn next(mut told: Told) -> Option<(Result<Event, Infallible>, Told)> {
    let stock = loop {
        let look = async {
            told.ticks.tick().await;
            told.live.stock().await
        };
        let stock = tokio::select! {
            () = told.seat.over() => return None,
            stock = look => stock,
        };
        // Otherwise there is nothing to tell.
        if let Ok(stock) = stock {
            break stock;
        }
    };
    told.count = told.count.wrapping_add(1);
    let event = Event::default().event("stock").id(told.count.to_string()).data(stock);
    Some((Ok(event), told))
}

#[cfg(test)]
mod tests;
