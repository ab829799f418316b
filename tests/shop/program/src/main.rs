//! The shop's program: `shop web` is the page people see, `shop api` what it asks for products; `shop migrate` and
//! `shop seed` make and fill the tables.
//!
//! It is the first process of its container, where SIGTERM does nothing unless it is waited for.

mod api;
mod curtain;
mod live;
mod page;
mod request;
mod stamp;
mod store;
mod web;

use std::process::ExitCode;

use axum::Router;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{curtain::Curtain, stamp::Stamp, store::Store};

/// Where both roles listen.
const ADDRESS: &str = "0.0.0.0:8080";

/// For how long requests are still answered after the program was asked to end.
const NOTICE: std::time::Duration = std::time::Duration::from_secs(1);

/// What ends the program; the text follows `error: ` on its last line.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(
        "say what to be: `shop web` or `shop api`, or what to do: `shop migrate` or `shop seed`"
    )]
    Usage,
    #[error("this build is broken: {0}")]
    Broken(String),
    #[error("the database did not answer within {limit} s: {why}")]
    Database { limit: u64, why: String },
    #[error("cannot listen on {ADDRESS}: {0}")]
    Listen(std::io::Error),
    #[error("cannot wait for signals: {0}")]
    Signal(std::io::Error),
}

type Result<T, E = Error> = std::result::Result<T, E>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match play().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn play() -> Result<()> {
    let (stamp, curtain) = (Stamp::read(), Curtain::default());
    match std::env::args().nth(1).as_deref() {
        Some("web") => serve(web::routes(stamp, curtain.clone()), curtain).await,
        Some("api") => {
            // Where nobody prepares a database for it.
            let fills = std::env::args().nth(2).as_deref() == Some("--fill");
            let routes = tokio::select! {
                routes = api::routes(stamp, fills) => routes?,
                ended = asked_to_end() => return ended,
            };
            serve(routes, curtain).await
        }
        Some("migrate") => {
            Store::migrate().await?;
            println!("the tables are as this build wants them");
            Ok(())
        }
        Some("seed") => {
            Store::seed().await?;
            println!("the shelves are filled");
            Ok(())
        }
        _ => Err(Error::Usage),
    }
}

async fn serve(routes: Router, curtain: Curtain) -> Result<()> {
    let listener = TcpListener::bind(ADDRESS).await.map_err(Error::Listen)?;
    println!("listening on {ADDRESS}");
    // Whoever sends requests here takes a moment to hear that it should not.
    let end = async move {
        let _ = asked_to_end().await;
        tokio::time::sleep(NOTICE).await;
        curtain.fall().await;
    };
    axum::serve(listener, routes).with_graceful_shutdown(end).await.map_err(Error::Listen)
}

async fn asked_to_end() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signal)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
