//! Settings as people write them, right and wrong, in the file and in the environment.

use std::collections::BTreeSet;
use std::fs;

use super::*;
use crate::document::{DAY, SECOND};
use crate::event::SchemaSource as _;
use crate::policy::Band;
use crate::reference::TableBounds;

const SERVERS: (&str, &str) = ("JIDOKA__KAFKA__BOOTSTRAP_SERVERS", "localhost:9092");

fn from_environment(variables: &[(&str, &str)]) -> Result<Settings, Vec<Problem>> {
    Settings::load(None, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn sentences<T>(result: Result<T, Vec<Problem>>) -> Vec<String> {
    result.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// What a file of this text and these variables are told, with the folder cut from the file's name.
fn told(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jidoka.yaml");
    fs::write(&path, text).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let inside = format!("{}/", folder.path().display());
    sentences(Settings::load(Some(&path), variables)).iter().map(|sentence| sentence.replace(&inside, "")).collect()
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/jidoka.yaml")
}

#[test]
fn the_example_says_the_defaults_and_its_policies_load() {
    let settings = Settings::load(Some(&example()), std::iter::empty()).unwrap();
    let source = Source { name: "inference".into(), topic: "inference".into(), format: Format::Native, start: Start::Earliest };
    assert_eq!(settings.sources, [source]);
    let policies = read_policies(&settings.policies, &settings.fallback, None, &ProfileFiles::default()).unwrap();
    let names: Vec<&str> = policies.policies().iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["adult-income", "credit-default"]);
    assert!(settings.without_effect().is_empty());

    let defaults = from_environment(&[SERVERS]).unwrap();
    let (policies, schemas) = (PathBuf::from("policies"), defaults.schemas.clone());
    assert!(read_schemas(&settings.schemas).is_ok_and(|schemas| !schemas.is_empty()), "the native event's");
    assert_eq!(Settings { sources: Vec::new(), policies, schemas, ..settings }, defaults);
}

#[test]
fn the_environment_outweighs_the_file() {
    let variables = [
        ("JIDOKA__KAFKA__BOOTSTRAP_SERVERS", "a:1,b:2"),
        ("JIDOKA__KAFKA__SASL_PASSWORD", "{ *p: &a #ss"),
        ("JIDOKA__KAFKA__SASL_USERNAME", "null"),
        ("JIDOKA__GATE", "{workers: 8, dedup: {window: 5}}"),
        ("JIDOKA__GATE__WORKERS", "4"),
        ("JIDOKA__GATE__EVENT__MAX_DEPTH", "32"),
        ("JIDOKA__FALLBACK__GROUPS", "[a, b]"),
        ("JIDOKA__API__LISTEN", "[::]:80"),
        ("JIDOKA__TRANSACTION__TIMEOUT", "10s"),
        ("JIDOKA__SOURCES", "[{name: n, topic: t, start: 2026-01-05T10:46:41.187Z}]"),
        ("JIDOKA__VERDICTS__UNSIGNED", "allow"),
        ("JIDOKA_TESTS", "no-kafka"),
        ("PATH", "/bin"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings::load(Some(&example()), variables.into_iter()).unwrap();
    assert_eq!(settings.kafka.bootstrap_servers(), "a:1,b:2");
    assert_eq!(settings.kafka.get("sasl.password"), Some("{ *p: &a #ss"));
    assert_eq!(settings.kafka.get("sasl.username"), Some("null"));
    assert_eq!((settings.gate.workers, settings.gate.dedup_window), (4, 5));
    assert_eq!((settings.gate.event.max_depth, settings.gate.event.max_fields), (32, 1_000));
    assert_eq!(settings.fallback.groups, ["a", "b"]);
    assert_eq!((settings.fallback.leads.as_slice(), settings.fallback.band), (&["leads".to_owned()][..], Band::High));
    assert_eq!(settings.api.listen.to_string(), "[::]:80");
    assert_eq!(settings.transaction_timeout, SECOND * 10);
    assert_eq!(settings.sources[0].start, Start::At(Timestamp(1_767_610_001_187)));
    assert_eq!(settings.verdicts.unsigned, Unsigned::Allow);
    assert!(!format!("{settings:?}").contains("#ss"), "a password is printed");
}

/// The public keys of the secrets 00 01 02 … and 09 09 09 …
const PUBLIC: &str = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
const OTHER: &str = "/RckOFqgx1tk+3jNYC+h2ZH96/drE8WO1wLqyDXp9hg=";

#[test]
fn what_comes_later_is_read_and_named_as_without_effect() {
    let facts = "[ { name: customers, topic: customer-facts, as_of: updated_at } ]";
    let variables = [SERVERS, ("JIDOKA__REFERENCES", facts), ("JIDOKA__API__AUTH", "{ issuer: x }")];
    let settings = from_environment(&variables).unwrap();
    assert_eq!(settings.references[0].as_of.as_deref(), Some("updated_at"));
    assert_eq!(settings.without_effect(), ["api.auth"]);
}

#[test]
fn references_are_topics_or_http_sources() {
    let all = "[ { name: customers, topic: customer-facts, max_records: 5, max_age: 10s }, \
                 { name: bureau, url: 'http://host/p/{subject_id}', deadline: 20ms, breaker: { failures: 2 }, cache: { ttl: 1s } } ]";
    let settings = from_environment(&[SERVERS, ("JIDOKA__REFERENCES", all)]).unwrap();
    let bounds = TableBounds { records: 5, bytes: 536_870_912 };
    let topic = TopicReferenceBounds { topic: "customer-facts".to_owned(), bounds, max_age: SECOND * 10 };
    let http = HttpReference {
        url: "http://host/p/{subject_id}".to_owned(),
        deadline: Duration::from_millis(20),
        concurrency: 16,
        breaker_failures: 2,
        breaker_open_for: SECOND * 30,
        cache_entries: 10_000,
        cache_ttl: SECOND,
    };
    let sources: Vec<_> = settings.references.into_iter().map(|reference| reference.source).collect();
    assert_eq!(sources, [ReferenceSource::Topic(topic), ReferenceSource::Http(http)]);
}

#[test]
fn keys_of_verdicts_and_of_heads_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jidoka.yaml");
    let key = PrivateKey::of_secret(&[7; 32]);
    fs::write(folder.path().join("heads.key"), key.pem()).unwrap();
    let text = format!(
        "{KAFKA}verdicts:
  keys:
    - {{ id: console, public: {PUBLIC}, reviewers: [ '*' ], groups: [ '*' ] }}
    - {{ id: kim, public: {OTHER}, reviewers: [ kim ], groups: [ a, b ], cancel: true }}
audit: {{ heads: {{ file: heads.jsonl, key: heads.key }} }}\n"
    );
    fs::write(&path, text).unwrap();
    let settings = Settings::load(Some(&path), std::iter::empty()).unwrap();
    let heads = settings.audit_heads.as_ref().unwrap();
    let expected = AuditHeads { file: folder.path().join("heads.jsonl"), key, every: SECOND * 60 };
    assert_eq!(*heads, expected);
    let keys: Vec<_> = settings.verdicts.keys.iter().collect();
    assert_eq!((keys[0].id.as_str(), keys[0].public.base64().as_str(), keys[0].may_cancel()), ("console", PUBLIC, false));
    assert!(keys[0].may_speak_for("anybody", ["any"]) && keys[1].may_speak_for("kim", ["a"]));
    assert!(!keys[1].may_speak_for("lee", ["a"]) && !keys[1].may_speak_for("kim", ["c"]) && keys[1].may_cancel());
    assert_eq!((settings.verdicts.max_bytes, settings.verdicts.max_text), (65_536, 4_096));
    assert!(settings.without_effect().is_empty());

    fs::write(folder.path().join("heads.key"), PUBLIC).unwrap();
    let found = sentences(Settings::load(Some(&path), std::iter::empty()));
    let place = format!("{}:6:", path.display());
    assert!(found[0].starts_with(&place) && found[0].contains("audit.heads.key: "), "{found:?}");
    assert!(found[0].ends_with("heads.key: this is no Ed25519 private key in PKCS#8 PEM; `jidoka verdict-key new` makes one"));
}

#[test]
fn a_wrong_key_of_verdicts_is_told_what_is_wrong() {
    let good = format!("{{id: a, public: {PUBLIC}, reviewers: [kim], groups: [g]}}");
    let cases: &[(&str, &[&str])] = &[
        (&good, &[]),
        (
            "{}",
            &[
                "[0].groups: this key is required",
                "[0].id: this key is required",
                "[0].public: this key is required",
                "[0].reviewers: this key is required",
            ],
        ),
        (
            "{id: 'a:b', public: x, reviewers: [], groups: kim, cancel: maybe}",
            &[
                "[0].cancel: expected `true` or `false`, found `maybe`",
                "[0].groups: expected a list, found `kim`",
                "[0].id: must not contain `:`, which ends it in the header of a verdict",
                "[0].public: this is no Ed25519 public key: 32 bytes in base64, such as `jidoka verdict-key show` prints",
                "[0].reviewers: must not be empty",
            ],
        ),
        (&format!("{good}, {}", good.replace(PUBLIC, OTHER)), &["[1].id: another key has the id `a` already"]),
        (
            &format!("{good}, {}", good.replace("id: a", "id: b")),
            &["[1].public: this is also the key of `a`; list what it may do under one id"],
        ),
    ];
    for (keys, expected) in cases {
        let found = told(&format!("{KAFKA}verdicts: {{keys: [{keys}]}}"), &[]);
        let after_place = |sentence: &String| sentence.split_once("verdicts.keys").map(|(_, rest)| rest.to_owned());
        let mut found: Vec<String> = found.iter().filter_map(after_place).collect();
        found.sort();
        assert_eq!(found, *expected, "{keys}");
    }
}

const KAFKA: &str = "kafka: {bootstrap.servers: b:1}\n";

/// A file, `KAFKA` standing for a section that is right, and what is said about it.
#[rustfmt::skip]
const WRONG_FILES: &[(&str, &[&str])] = &[
    ("gate: {workers: 4}", &["jidoka.yaml:1:1: kafka.bootstrap.servers: this key is required"]),
    ("kafka: localhost:9092", &["jidoka.yaml:1:8: kafka: expected a map, found `localhost:9092`"]),
    ("KAFKA gate:\n  workerz: 4", &["jidoka.yaml:3:3: gate.workerz: unknown key; did you mean `workers`?"]),
    ("KAFKA sorces: []", &["jidoka.yaml:2:1: sorces: unknown key; did you mean `sources`?"]),
    (
        "KAFKA gate: {dedup: {window: lots}}",
        &["jidoka.yaml:2:24: gate.dedup.window: expected a whole number from 0 to 10000000, found `lots`"],
    ),
    (
        "KAFKA gate: {workers: 65}",
        &["jidoka.yaml:2:17: gate.workers: expected a whole number from 1 to 64, found the number 65"],
    ),
    (
        "KAFKA control: {max_age: 30}",
        &[
            "jidoka.yaml:2:20: control.max_age: expected a duration from 1s to 1h, found `30`; the unit is missing: ms, s, m, h, d or y",
        ],
    ),
    (
        "KAFKA archive: {keep: 3 years}",
        &[
            "jidoka.yaml:2:17: archive.keep: expected a duration from 1d to 100y, found `3 years`; the unit must be ms, s, m, h, d or y, and the number whole",
        ],
    ),
    (
        "KAFKA gate: {workers: 4}\ngate: {}",
        &["jidoka.yaml:3:1: the key `gate` stands here a second time; the first is on line 2"],
    ),
    ("KAFKA gate:\n\tworkers: 4", &["jidoka.yaml:3:1: the line is indented with a tab; YAML takes spaces only"]),
    (
        "KAFKA gate: *defaults",
        &[
            "jidoka.yaml:2:7: aliases (`*name`) are not read here; write the value out (or in quotes, if it is meant to begin with `*`)",
        ],
    ),
    (
        "KAFKA encoding: avro",
        &[
            "jidoka.yaml:2:11: encoding: `avro` is not supported yet: it arrives with the schema registry client; write `json`",
        ],
    ),
    ("KAFKA encoding: jsn", &["jidoka.yaml:2:11: encoding: expected `json`, found `jsn`; did you mean `json`?"]),
    (
        "KAFKA schema_registry: {url: x}",
        &["jidoka.yaml:2:19: schema_registry.url: `schema_registry.url` is not supported yet: the registry client arrives with `encoding: avro`; until then put the writer schemas as `<id>.avsc` into `schema_registry.folder`"],
    ),
    (
        "KAFKA session: {timeout: 20s}",
        &["jidoka.yaml:2:20: session.timeout: must be longer than `transaction.timeout`, and they are 20s and 20s"],
    ),
    (
        "KAFKA transaction: {timeout: 1m}",
        &["jidoka.yaml:1:1: session.timeout: must be longer than `transaction.timeout`, and they are 45s and 1m"],
    ),
    (
        "KAFKA dead_letters: {max_bytes: 900001}",
        &["jidoka.yaml:2:27: dead_letters.max_bytes: must be at most `gate.max_record_bytes`, which is 900000"],
    ),
    ("KAFKA policies: rules/", &["jidoka.yaml:2:11: policies: there is no folder rules/"]),
    ("KAFKA audit: {heads: {file: f, key: heads.key}}", &["jidoka.yaml:2:31: audit.heads.key: there is no file heads.key"]),
    (
        "KAFKA audit: {heads: {file: none/f, key: heads.key}}",
        &[
            "jidoka.yaml:2:23: audit.heads.file: there is no folder none",
            "jidoka.yaml:2:36: audit.heads.key: there is no file heads.key",
        ],
    ),
    (
        "KAFKA verdicts: {max_bytes: 1000, max_text: 1}",
        &[
            "jidoka.yaml:2:23: verdicts.max_bytes: expected a whole number from 1024 to 1048576, found the number 1000",
            "jidoka.yaml:2:39: verdicts.max_text: expected a whole number from 64 to 65536, found the number 1",
        ],
    ),
    (
        "KAFKA audit: {heads: {}}",
        &[
            "jidoka.yaml:2:16: audit.heads.file: this key is required",
            "jidoka.yaml:2:16: audit.heads.key: this key is required",
        ],
    ),
    (
        "KAFKA api: {listen: localhost}",
        &["jidoka.yaml:2:15: api.listen: expected an address and port such as 127.0.0.1:8080, found `localhost`"],
    ),
    (
        "KAFKA verdicts: {unsigned: true}",
        &["jidoka.yaml:2:22: verdicts.unsigned: expected one of `refuse`, `allow`, found `true`"],
    ),
    ("KAFKA verdicts: {keys: [k]}", &["jidoka.yaml:2:19: verdicts.keys[0]: expected a map, found `k`"]),
    (
        "KAFKA topics: {prefix: 'a b', lanes: 0, replication: 16}",
        &[
            "jidoka.yaml:2:18: topics.prefix: may have only the letters that Kafka allows in a topic's name: a-z, A-Z, 0-9, `.`, `_` and `-`",
            "jidoka.yaml:2:32: topics.lanes: expected a whole number from 1 to 4096, found the number 0",
            "jidoka.yaml:2:48: topics.replication: expected a whole number from 1 to 15, found the number 16",
        ],
    ),
    (
        "KAFKA references: [{name: a, topic: t}, {name: a, topic: u}]",
        &["jidoka.yaml:2:42: references[1].name: another reference has the name `a` already"],
    ),
    (
        "KAFKA references: [{name: a}, {name: b, topic: t, url: u}, {name: c, url: 'http://h/x', max_age: 5s}, {name: d, topic: t, deadline: 1s}]",
        &[
            "jidoka.yaml:2:14: references[0]: says nothing about where the records are: give a `topic` or a `url`",
            "jidoka.yaml:2:25: references[1]: has a `topic` and a `url`; make two references of it",
            "jidoka.yaml:2:50: references[1].url: must begin with `http://` or `https://`, a host and a `/`, such as `http://bureau:8080/subjects/{subject_id}`",
            "jidoka.yaml:2:69: references[2].url: must have `{subject_id}` once behind the host, where the subject's id belongs",
            "jidoka.yaml:2:92: references[2].max_age: belongs to a reference with a `topic`",
            "jidoka.yaml:2:127: references[3].deadline: belongs to a reference with a `url`",
        ],
    ),
];

#[test]
fn a_wrong_file_is_told_what_is_wrong() {
    for (text, expected) in WRONG_FILES {
        assert_eq!(told(&text.replace("KAFKA ", KAFKA), &[]), *expected, "{text}");
    }
}

#[test]
fn a_wrong_source_is_told_what_is_wrong() {
    let cases: &[(&str, &[&str])] = &[
        ("{name: a, topic: t, start: latest}", &[]),
        (
            "{}",
            &[
                "11: sources[0].name: this key is required",
                "11: sources[0].start: this key is required",
                "11: sources[0].topic: this key is required",
            ],
        ),
        (
            "{name: a/b, topic: 'a b', start: now}",
            &[
                "18: sources[0].name: must not contain `/`, which separates the parts of record keys",
                "30: sources[0].topic: may have only the letters that Kafka allows in a topic's name: a-z, A-Z, 0-9, `.`, `_` and `-`",
                "44: sources[0].start: expected `earliest`, `latest` or a time such as 2026-01-05T00:00:00Z, found `now`",
            ],
        ),
        (
            "{name: a, topic: jidoka.audit, start: latest}",
            &["28: sources[0].topic: `jidoka.audit` is one of the topics that jidoka writes"],
        ),
        (
            "{name: a, topic: t, start: latest, format: kserve}",
            &[
                "54: sources[0].format: format `kserve` is not supported yet: the formats of other serving stacks arrive later; write `native`",
            ],
        ),
        (
            "{name: a, topic: t, start: latest, format: {id: x}}",
            &[
                "54: sources[0].format: mappings are not supported yet: they arrive with the formats of other serving stacks; write `native`",
            ],
        ),
        (
            "{name: a, topic: t, start: latest}, {name: a, topic: u, start: latest}",
            &["54: sources[1].name: another source has the name `a` already"],
        ),
        (
            "{name: a, topic: t, start: latest}, {name: b, topic: t, start: latest}",
            &["64: sources[1].topic: the source `a` reads this topic already"],
        ),
    ];
    for (source, expected) in cases {
        let found = told(&format!("{KAFKA}sources: [{source}]"), &[]);
        let mut found: Vec<String> = found.iter().map(|sentence| sentence.replacen("jidoka.yaml:2:", "", 1)).collect();
        found.sort();
        assert_eq!(found, *expected, "{source}");
    }
}

#[test]
fn a_wrong_variable_is_named() {
    let cases: &[(&str, &str, &str)] = &[
        ("JIDOKA__GATE__WORKERZ", "4", "JIDOKA__GATE__WORKERZ: gate.workerz: unknown key; did you mean `workers`?"),
        (
            "JIDOKA__GATE__WORKERS",
            "four",
            "JIDOKA__GATE__WORKERS: gate.workers: expected a whole number from 1 to 64, found `four`",
        ),
        ("JIDOKA__GATE__WORKERS", "", "JIDOKA__GATE__WORKERS: gate.workers: the variable is empty; unset it or give it a value"),
        (
            "JIDOKA__GATE__WORKERS__MAX",
            "1",
            "JIDOKA__GATE__WORKERS__MAX: gate.workers.max: `max` cannot be set: what it belongs to is not a map",
        ),
        (
            "JIDOKA__GATE",
            "{workers: four}",
            "JIDOKA__GATE:1:11: gate.workers: expected a whole number from 1 to 64, found `four`",
        ),
        (
            "JIDOKA__GATE",
            "{workers: 4",
            "JIDOKA__GATE:2:1: this is not YAML: while parsing a flow mapping, did not find expected ',' or '}'",
        ),
        ("JIDOKA__FALLBACK__GROUPS", "a", "JIDOKA__FALLBACK__GROUPS:1:1: fallback.groups: expected a list, found `a`"),
        (
            "JIDOKA__gate__workers",
            "4",
            "JIDOKA__gate__workers: the name is written like JIDOKA__GATE__WORKERS: capitals, and `__` between the keys",
        ),
        (
            "JIDOKA__GATE__",
            "4",
            "JIDOKA__GATE__: the name is written like JIDOKA__GATE__WORKERS: capitals, and `__` between the keys",
        ),
        (
            "JIDOKA__KAFKA__SASL__PASSWORD",
            "x",
            "JIDOKA__KAFKA__SASL__PASSWORD: below JIDOKA__KAFKA__ one `_` stands for each dot of the property's name",
        ),
        (
            "JIDOKA__A__B__C__D__E__F__G__H__I",
            "1",
            "JIDOKA__A__B__C__D__E__F__G__H__I: the name has more than 8 keys; no setting lies that deep",
        ),
        (
            "JIDOKA__KAFKA__GROUP_ID",
            "x",
            "JIDOKA__KAFKA__GROUP_ID: kafka.group.id: jidoka sets this property itself: the group's name follows from `topics.prefix`",
        ),
    ];
    for (name, value, expected) in cases {
        assert_eq!(told(&format!("{KAFKA}gate: {{workers: 2}}"), &[(*name, *value)]), [*expected], "{name}={value}");
    }
    assert_eq!(sentences(from_environment(&[])), ["environment: kafka.bootstrap.servers: this key is required"]);
}

#[test]
fn properties_that_a_guarantee_hangs_on_are_refused_with_the_reason() {
    let owned = [
        "enable.auto.commit",
        "enable.auto.offset.store",
        "isolation.level",
        "auto.offset.reset",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "partition.assignment.strategy",
        "transactional.id",
        "enable.idempotence",
        "acks",
        "delivery.report.only.error",
        "linger.ms",
        "statistics.interval.ms",
    ];
    for name in owned {
        let found = told(&format!("kafka: {{bootstrap.servers: b:1, {name}: x}}"), &[]);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert!(
            found[0].starts_with(&format!("jidoka.yaml:1:33: kafka.{name}: jidoka sets this property itself: ")),
            "{found:?}"
        );
    }
    assert_eq!(
        told("kafka: {bootstrap.servers: b:1, sasl: {password: secret}, ssl.key.pem:, client.id: [secret]}", &[]),
        [
            "jidoka.yaml:1:39: kafka.sasl: write the property's whole name with dots, such as `sasl.username`, not as a map in a map",
            "jidoka.yaml:1:59: kafka.ssl.key.pem: the property has no value",
            "jidoka.yaml:1:84: kafka.client.id: expected a single value, found a list",
        ]
    );
    let settings = from_environment(&[
        SERVERS,
        ("JIDOKA__KAFKA", "{bootstrap.servers: x, socket.keepalive.enable: true, reconnect.backoff.ms: 5}"),
    ]);
    let kafka = settings.unwrap().kafka;
    let expected = [("bootstrap.servers", "localhost:9092"), ("reconnect.backoff.ms", "5"), ("socket.keepalive.enable", "true")];
    assert_eq!(kafka.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn files_that_cannot_be_read_are_one_problem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jidoka.yaml");
    let load = || sentences(Settings::load(Some(&path), std::iter::empty()));
    assert_eq!(load(), [format!("{}: cannot be read: No such file or directory (os error 2)", path.display())]);
    fs::write(&path, b"a: \xff").unwrap();
    assert!(load()[0].contains("is not UTF-8 text: invalid utf-8 sequence of 1 bytes from index 3"), "{:?}", load());
    fs::write(&path, " ".repeat(1 << 21)).unwrap();
    assert!(load()[0].contains("is longer than the 1048576 bytes that are read"), "{:?}", load());
}

#[test]
fn a_folder_of_policies_is_read_as_a_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let read = || read_policies(folder.path(), &FallbackReview::default(), None, &ProfileFiles::default());
    assert_eq!(read().unwrap().policies().len(), 0);
    let policy = |name: &str| {
        format!("policy: {name}\nmatch: {{model: {name}}}\ntriggers: [{{id: t, confidence: {{measure: margin, below: 0.1}}}}]")
    };
    file("a.yaml", &policy("a"));
    file("b.yml", &policy("b"));
    file(".a.yaml.swp", "no policy");
    file(".c.yaml", "no policy");
    file("README.md", "no policy");
    assert_eq!(read().unwrap().policies().len(), 2);
    file("c.yaml", "polcy: c");
    file("d.yaml", "triggers: []");
    let found = sentences(read());
    assert_eq!(found.len(), 5, "{found:?}");
    let missing = read_policies(&folder.path().join("none"), &FallbackReview::default(), None, &ProfileFiles::default());
    assert!(sentences(missing)[0].ends_with("none: cannot be read: No such file or directory (os error 2)"));
}

/// The keys that stand directly in the map at `section` according to the table.
fn children(section: &str) -> BTreeSet<String> {
    let inside = |key: &Key| key.path.strip_prefix(section).map(|rest| rest.strip_prefix('.').unwrap_or(rest).to_owned());
    let first = |rest: String| rest.split(['.', '[']).next().unwrap_or_default().to_owned();
    KEYS.iter().filter_map(inside).map(first).filter(|key| !key.is_empty()).collect()
}

/// The keys that the reader knows there: it lists them when it meets one that is like none of them.
fn known_to_reader(section: &str) -> BTreeSet<String> {
    let mut text = "{qqqqqqqqqqqqqqqq: 1}".to_owned();
    for part in section.split('.').rev().filter(|part| !part.is_empty()) {
        text = match part.strip_suffix("[]") {
            Some(list) => format!("{{{list}: [{text}]}}"),
            None => format!("{{{part}: {text}}}"),
        };
    }
    let text = format!("{{kafka: {{bootstrap.servers: b:1}}, {}", &text[1..]);
    let found = told(&text, &[]);
    let list = found.iter().find_map(|sentence| sentence.split_once("the keys known here are: "));
    let (_, list) = list.unwrap_or_else(|| panic!("{section}: {text}: {found:?}"));
    list.split(", ").map(|key| key.trim_matches('`').to_owned()).collect()
}

#[test]
fn the_table_and_the_reader_know_the_same_keys() {
    let sections = [
        "",
        "topics",
        "sources[]",
        "references[]",
        "references[].breaker",
        "references[].cache",
        "gate",
        "gate.batch",
        "gate.dedup",
        "gate.event",
        "fallback",
    ];
    let more = [
        "verdicts",
        "verdicts.keys[]",
        "sidecar",
        "sidecar.batch",
        "monitor",
        "monitor.batch",
        "outcomes[]",
        "audit",
        "audit.heads",
        "cases",
        "archive",
        "reload",
        "schema_registry",
        "dead_letters",
        "control",
        "transaction",
        "session",
        "restore",
        "api",
    ];
    let all: BTreeSet<&str> = sections.into_iter().chain(more).collect();
    for section in &all {
        assert_eq!(known_to_reader(section), children(section), "{section}");
    }
    for key in KEYS {
        let section = key.path.rsplit_once('.').map_or("", |(section, _)| section);
        assert!(all.contains(section) || section.starts_with("kafka"), "{section}");
    }
}

#[test]
fn the_tables_defaults_are_the_readers() {
    let expected = from_environment(&[SERVERS]).unwrap();
    for key in KEYS {
        let KeyDefault::Is(default) = key.default else { continue };
        if key.path.contains('[')
            || key.path == "policies"
            || key.path == "schema_registry.folder"
            || key.path.starts_with("audit.heads")
        {
            continue;
        }
        let name = format!("JIDOKA__{}", key.path.replace('.', "__").to_uppercase());
        let found = from_environment(&[SERVERS, (&name, default)]);
        assert_eq!(found.unwrap_or_else(|problems| panic!("{name}: {problems:?}")), expected, "{name}");
        let wrong = sentences(from_environment(&[SERVERS, (&name, "{\u{1}")]));
        assert!(wrong.iter().all(|sentence| sentence.starts_with(&name)) && !wrong.is_empty(), "{name}: {wrong:?}");
    }
    assert_eq!(expected.cases_keep_closed, DAY);
    assert_eq!(expected.policies, Path::new("policies"));
}
