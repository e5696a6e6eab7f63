//! A cluster: what tests hold, and how it comes up.

use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::admin;
use super::node::{self, Jvm, Node};
use super::provide;
use super::settings::{CONTROLLER, Kind, Ports};

/// Bounds every wait for brokers; a loaded machine needs half of it.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);

/// The user that the `sasl` cluster knows, and its password.
pub const USER: &str = "jidoka";
pub const PASSWORD: &str = "stop-and-ask";

/// A running Kafka. Node ids begin at 1. One that was started here ends when it is dropped, and with the test process
/// however that ends.
pub struct Cluster {
    bootstrap: String,
    /// Where the fixture itself connects: without login.
    plain: String,
    /// `None` for somebody else's.
    kind: Option<Kind>,
    nodes: Vec<Node>,
}

/// The cluster that tests share, or the sentence why there is none.
pub fn start_shared() -> Result<Cluster, String> {
    Cluster::start(Kind::Shared, Jvm::QuickStart)
}

fn started(kind: Kind, jvm: Jvm) -> Cluster {
    Cluster::start(kind, jvm).unwrap_or_else(|problem| panic!("{problem}"))
}

impl Cluster {
    /// One broker of its own, node 1, for a test that stops or kills it.
    pub fn single() -> Self {
        started(Kind::Single, Jvm::QuickStart)
    }

    /// Three nodes, every topic replicated on all of them, two of which must have a record before it counts.
    pub fn three() -> Self {
        started(Kind::Three, Jvm::QuickStart)
    }

    /// One node where clients log in as [`USER`] (SCRAM-SHA-512) and [`Self::deny_write`] works. See [`login`].
    pub fn sasl() -> Self {
        started(Kind::Sasl, Jvm::QuickStart)
    }

    /// One node whose speed may be measured.
    pub fn measured() -> Self {
        started(Kind::Shared, Jvm::Measured)
    }

    /// Somebody else's Kafka, at `servers`.
    pub(super) fn external(servers: String) -> Self {
        Self { bootstrap: servers.clone(), plain: servers, kind: None, nodes: Vec::new() }
    }

    /// The value for `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Where nobody needs to log in: for what a test itself does on the [`Self::sasl`] cluster.
    pub fn plain(&self) -> &str {
        &self.plain
    }

    /// Kills node `id` as a power cut would. With three nodes, kill another only after [`Self::await_in_sync`]: partitions
    /// without any leader can lose commits (see [`Kind::Single`]).
    pub fn kill(&self, id: i32) {
        self.breakable(id).kill();
    }

    /// Starts node `id` again after [`Self::kill`], on its data and ports, and waits until it serves.
    pub fn restart(&self, id: i32) {
        let node = self.breakable(id);
        if let Some(controller) = self.nodes.iter().find(|node| node.id == CONTROLLER) {
            self.wait("the controller to notice that the broker is gone", || controller.has_fenced(id).then_some(()));
        }
        let restarted = node.start().and_then(|()| await_serving(node));
        restarted.unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// Stops node `id` in its tracks (SIGSTOP): its connections stay open and nothing answers.
    pub fn stop_process(&self, id: i32) {
        self.breakable(id).signal("STOP");
    }

    /// Lets node `id` go on after [`Self::stop_process`].
    pub fn continue_process(&self, id: i32) {
        self.breakable(id).signal("CONT");
    }

    /// Creates a topic with the cluster's replication and waits until every partition has its leader.
    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        admin::create_topic(&self.plain, name, partitions, settings);
        self.wait("a leader for every partition", || {
            admin::partitions(&self.plain, name).filter(|found| {
                found.len() == usize::try_from(partitions).unwrap_or(0)
                    && found.iter().all(|partition| partition.leader > 0 || self.nodes.is_empty())
            })
        });
    }

    /// The id of the node that leads the partition.
    pub fn leader(&self, topic: &str, partition: i32) -> i32 {
        self.wait("a leader", || {
            let found = admin::partitions(&self.plain, topic)?;
            found.into_iter().find(|found| found.id == partition).map(|found| found.leader).filter(|leader| *leader > 0)
        })
    }

    /// Waits until every replica of the topic has caught up: until then killing another node may stop writes.
    pub fn await_in_sync(&self, topic: &str) {
        self.wait("every replica in sync", || {
            admin::partitions(&self.plain, topic)
                .filter(|found| found.iter().all(|partition| partition.in_sync == partition.replicas))
        });
    }

    /// Takes from `user` the right to write to `topic`, and leaves everything else as it is. Only on [`Self::sasl`].
    pub fn deny_write(&self, topic: &str, user: &str) {
        let (plain, principal) = (self.plain.as_str(), format!("User:{user}"));
        let rule = |arguments: &[&str]| {
            let tool = ["org.apache.kafka.tools.AclCommand", "--bootstrap-server", plain, "--add", "--topic", topic];
            self.node(1).run_tool(&[&tool, arguments].concat());
        };
        // A topic that has any rule refuses whoever none of them admits.
        rule(&["--allow-principal", "User:*", "--operation", "All"]);
        rule(&["--deny-principal", &principal, "--operation", "Write"]);
    }

    fn start(kind: Kind, jvm: Jvm) -> Result<Self, String> {
        static SWEEP: Once = Once::new();
        SWEEP.call_once(|| node::remove_leftovers(provide::scratch()));
        let libs = provide::libs()?;
        let ids_and_ports: Vec<(i32, Ports)> = kind.ids().iter().map(|id| (*id, Ports::free())).collect();
        let nodes = build_nodes(kind, jvm, &ids_and_ports, &libs)?;
        format_all(kind, &nodes)?;
        for node in &nodes {
            node.start()?;
        }
        let brokers = || nodes.iter().filter(|node| node.id != CONTROLLER);
        for broker in brokers() {
            await_serving(broker)?;
        }
        let servers = |port: fn(&Ports) -> u16| -> String {
            let servers: Vec<String> = brokers().map(|broker| format!("127.0.0.1:{}", port(&broker.ports))).collect();
            servers.join(",")
        };
        let plain = servers(|ports| ports.plain);
        let bootstrap = if kind == Kind::Sasl { servers(|ports| ports.sasl) } else { plain.clone() };
        Ok(Self { bootstrap, plain, kind: Some(kind), nodes })
    }

    fn node(&self, id: i32) -> &Node {
        self.nodes.iter().find(|node| node.id == id).unwrap_or_else(|| panic!("this cluster has no node {id} of ours"))
    }

    /// A node that a test may stop and kill.
    fn breakable(&self, id: i32) -> &Node {
        assert!(matches!(self.kind, Some(Kind::Single | Kind::Three)), "to be broken: Cluster::single() and Cluster::three()");
        self.node(id)
    }

    /// Asks until `found` says so, and panics when it took too long or a broker ended by itself.
    fn wait<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found() {
                return found;
            }
            for node in &self.nodes {
                node.check_alive().unwrap_or_else(|problem| panic!("{problem}"));
            }
            assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
            sleep(PAUSE);
        }
    }
}

/// What a client of the [`Cluster::sasl`] cluster sets to log in.
pub fn login<'a>(user: &'a str, password: &'a str) -> [(&'static str, &'a str); 4] {
    [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", user),
        ("sasl.password", password),
    ]
}

fn build_nodes(kind: Kind, jvm: Jvm, ids_and_ports: &[(i32, Ports)], libs: &Path) -> Result<Vec<Node>, String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let cluster = NEXT.fetch_add(1, Ordering::Relaxed);
    let build = |(id, own): &(i32, Ports)| {
        let folder = provide::scratch().join(format!("kafka-{}-{cluster}-node-{id}", std::process::id()));
        let properties = kind.properties(*id, ids_and_ports, &folder.join("data"));
        Node::new(*id, *own, folder, libs.to_owned(), jvm, &properties)
    };
    ids_and_ports.iter().map(build).collect()
}

/// All at once: each is a second of Java.
fn format_all(kind: Kind, nodes: &[Node]) -> Result<(), String> {
    let user = format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]");
    let extra: &[&str] = if kind == Kind::Sasl { &["--add-scram", &user] } else { &[] };
    let formatters = nodes.iter().map(|node| node.format(extra)).collect::<Result<Vec<_>, _>>()?;
    nodes.iter().zip(formatters).try_for_each(|(node, formatter)| node.formatted(formatter))
}

/// Waits until the node itself, asked alone, says that it takes part.
fn await_serving(node: &Node) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let address = format!("127.0.0.1:{}", node.ports.plain);
    while !admin::brokers(&address).contains(&node.id) {
        node.check_alive()?;
        if Instant::now() > deadline {
            return Err(format!("Broker {} did not serve within {PATIENCE:?}.\n{}", node.id, node.log_tail()));
        }
        sleep(PAUSE);
    }
    Ok(())
}
