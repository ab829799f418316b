//! `shop web`: one page, made anew for each visitor from what the API says.

use std::{env, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{api::Offer, curtain::Curtain, live, page, request, stamp::Stamp};

struct Web {
    stamp: Stamp,
    api: String,
}

/// The routes of the web front, which asks the API that `SHOP_API` names; what is live ends with the curtain.
pub(crate) fn routes(stamp: Stamp, curtain: Curtain) -> Router {
    let api = env::var("SHOP_API").unwrap_or_else(|_| "api:8080".to_owned());
    let live = live::routes(api.clone(), curtain);
    Router::new()
        .route("/", get(front))
        .route("/healthz", get(health))
        .with_state(Arc::new(Web { stamp, api }))
        .merge(live)
}

async fn front(State(web): State<Arc<Web>>) -> Response {
    let offer = match request::get(&web.api, "/products").await {
        Ok(text) => serde_json::from_str::<Offer>(&text).map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    let (status, text) = match offer {
        Ok(offer) => (StatusCode::OK, page::open(&offer.products, &web.stamp)),
        Err(why) => {
            eprintln!("the API does not answer: {why}");
            (StatusCode::BAD_GATEWAY, page::closed(&web.stamp))
        }
    };
    let headers =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, text).into_response()
}

async fn health(State(web): State<Arc<Web>>) -> Response {
    match request::get(&web.api, "/healthz").await {
        Ok(_) => format!("ok {}\n", web.stamp.commit).into_response(),
        Err(why) => {
            (StatusCode::BAD_GATEWAY, format!("the API does not answer: {why}\n")).into_response()
        }
    }
}
