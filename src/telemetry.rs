//! Metrics, health and logs: what a process tells of itself, and to whom.
//!
//! ```text
//! worker ─→ WorkerObserver ─┬─→ Metrics ─→ /metrics
//! gate ─→ its tally ────────┘
//!              WorkerObserver ─→ Health ──→ /healthz, /readyz
//!                            └─→ logs ────→ standard error
//! ```

pub mod health;
pub mod logs;
pub mod metrics;
pub mod server;
pub mod worker;
