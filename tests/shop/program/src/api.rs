//! `shop api`: what is sold, as JSON. It starts when the database is there, and not at all if its build
//! is broken.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    stamp::Stamp,
    store::{Product, Store, whole},
};

/// The header that carries the commit.
const COMMIT: HeaderName = HeaderName::from_static("x-commit");

/// What `/products` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// The commit the API was built from.
    pub(crate) commit: String,
    /// What is sold.
    pub(crate) products: Vec<Product>,
}

struct Api {
    stamp: Stamp,
    store: Store,
}

/// The routes of the API, once the database is filled; by itself, if it is to.
pub(crate) async fn routes(stamp: Stamp, fills: bool) -> Result<Router> {
    if let Some(why) = stamp.broken {
        return Err(Error::Broken(why));
    }
    if fills {
        Store::migrate().await?;
        Store::seed().await?;
    }
    let api = Arc::new(Api { stamp, store: Store::open().await? });
    Ok(Router::new()
        .route("/", get(products))
        .route("/products", get(products))
        .route("/healthz", get(health))
        .with_state(api))
}

async fn products(State(api): State<Arc<Api>>) -> Response {
    let commit = api.stamp.commit.clone();
    let offer = match api.store.products().await {
        Ok(products) => Offer { commit, products },
        Err(error) => return failed(&error),
    };
    match serde_json::to_string(&offer) {
        Ok(text) => {
            let headers =
                [(COMMIT, offer.commit.as_str()), (header::CONTENT_TYPE, "application/json")];
            (headers, text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn health(State(api): State<Arc<Api>>) -> Response {
    match api.store.products().await {
        Ok(_) => {
            let commit = &api.stamp.commit;
            ([(COMMIT, commit.as_str())], format!("ok {commit}\n")).into_response()
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &tokio_postgres::Error) -> Response {
    let text = format!("the database does not answer: {}\n", whole(error));
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}
