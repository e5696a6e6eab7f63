//! `/metrics`, `/healthz`, `/readyz`: served by every role.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::telemetry::health::Health;
use crate::telemetry::metrics::Metrics;

/// What the server shows.
#[derive(Clone)]
pub struct Shown {
    /// Behind `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Behind `/healthz` and `/readyz`.
    pub health: Arc<Health>,
    /// Called before each scrape: gauges that are computed when they are asked for.
    pub refresh: Arc<dyn Fn() + Send + Sync>,
}

/// Serves on `listen`, on a thread of its own, for as long as the process lives; the address, with the port that was
/// chosen where 0 was asked for.
///
/// # Errors
/// Where the address cannot be listened on.
pub fn spawn(listen: SocketAddr, shown: Shown) -> std::io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("http".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let served = async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                axum::serve(listener, routes(shown)).await
            };
            if let Err(error) = served.await {
                tracing::error!(%error, "the metrics server ended");
            }
        });
    })?;
    Ok(address)
}

fn routes(shown: Shown) -> Router {
    Router::new().route("/metrics", get(metrics)).route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(shown)
}

async fn metrics(State(shown): State<Shown>) -> impl IntoResponse {
    (shown.refresh)();
    ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], shown.metrics.exposition())
}

/// Alive: the process answers. What it waits for is `/readyz`'s to say; restarting would not mend it.
async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(shown): State<Shown>) -> impl IntoResponse {
    let readiness = shown.health.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::to_string(&readiness).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], body)
}
