//! What the archive is compared with: the same HTTP stack, and behind it nothing but one synced object for each document.
//! No log, no proof, no receipt, nobody asked who they are.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use uuid::Uuid;

/// Longest document taken.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Listens on a free port of loopback and serves until the process ends.
pub(super) async fn serve(directory: &std::path::Path) -> anyhow::Result<SocketAddr> {
    std::fs::create_dir_all(directory)?;
    let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(directory)?.with_fsync(true));
    let router = Router::new()
        .route("/v1/deposits", post(deposit))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(store);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let service = TowerToHyperService::new(router.clone());
            tokio::spawn(async move {
                // A client that goes away ends its own connection only.
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(address)
}

async fn deposit(State(store): State<Arc<dyn ObjectStore>>, document: Bytes) -> (StatusCode, String) {
    let key = format!("payload/{}", Uuid::now_v7());
    match store.put(&Path::from(key.as_str()), document.into()).await {
        Ok(_) => (StatusCode::CREATED, format!("{{\"object\":\"{key}\"}}")),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
