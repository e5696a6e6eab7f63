//! What the brokers of a cluster are configured with.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

const COMMON: &str = include_str!("../../kafka/server.properties");
const ONE: &str = include_str!("../../kafka/one.properties");
const THREE: &str = include_str!("../../kafka/three.properties");
const SASL: &str = include_str!("../../kafka/sasl.properties");

/// What kind of cluster is started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One node.
    Single,
    /// Three nodes, everything replicated.
    Three,
    /// One node that wants a login and checks rights.
    Sasl,
}

/// The ports of one node, all on the loopback interface.
#[derive(Clone, Copy)]
pub struct Ports {
    /// Clients and other brokers, without login.
    pub plain: u16,
    /// Controllers.
    pub controller: u16,
    /// Clients with login, where the cluster has it.
    pub sasl: u16,
}

impl Ports {
    /// Ports that nobody listens on.
    pub fn free() -> Self {
        Self { plain: free_port(), controller: free_port(), sasl: free_port() }
    }
}

impl Kind {
    /// How many nodes such a cluster has.
    pub const fn nodes(self) -> usize {
        match self {
            Self::Single | Self::Sasl => 1,
            Self::Three => 3,
        }
    }

    /// The `server.properties` of node `id` (from 1) with data in `data`; `ports` are those of all nodes, in order.
    pub fn properties(self, id: i32, ports: &[Ports], data: &Path) -> String {
        let own = ports[usize::try_from(id - 1).expect("node ids begin at 1")];
        let sizes = if self == Self::Three { THREE } else { ONE };
        let mut text = format!("{COMMON}\n{sizes}\n");
        let mut clients = format!("BROKER://127.0.0.1:{}", own.plain);
        if self == Self::Sasl {
            text.push_str(SASL);
            write!(clients, ",SASL://127.0.0.1:{}", own.sasl).expect("a string takes all");
        }
        let voters: Vec<String> = (1..).zip(ports).map(|(id, ports)| format!("{id}@127.0.0.1:{}", ports.controller)).collect();
        writeln!(
            text,
            "\nnode.id={id}\nlog.dirs={}\nlisteners={clients},CONTROLLER://127.0.0.1:{}\nadvertised.listeners={clients}\n\
             controller.quorum.voters={}",
            data.display(),
            own.controller,
            voters.join(","),
        )
        .expect("a string takes all");
        text
    }
}

/// A port that nobody listens on, from below the range out of which systems give ports to outgoing connections: while a
/// broker is down, no client's connection (not even one that tries to reach that broker) can take its port.
fn free_port() -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side begin at different places.
    let start = u16::try_from(std::process::id().wrapping_mul(101) % u32::from(COUNT)).expect("smaller than COUNT");
    for _ in 0..COUNT {
        let port = FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT);
}
