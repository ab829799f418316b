//! The steps, in their order.

use crate::profile::Profile;

/// A step of verification.
#[derive(Debug)]
pub struct Step {
    /// What `--only` and `--long` take.
    pub name: &'static str,
    /// What it shows, in a few words.
    pub about: &'static str,
    /// What is run by default; `None` for a step that only exists in a slow form.
    pub work: Option<Work>,
    /// The slow form.
    pub long: Option<Work>,
}

/// What a step does.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    /// Runs cargo with these words.
    Cargo(&'static [&'static str]),
    /// Runs cargo with these words and counts tests; with the name of a shared bed if one is named.
    Test(&'static [&'static str], Option<Profile>),
    /// The same without the tests whose names begin with `long_`.
    Short(&'static [&'static str], Option<Profile>),
    /// Bans, licences, sources, advisories.
    Deny,
    /// Every fuzz target, for so many seconds.
    Fuzz(u32),
    /// Files that programs of ours write are as they would write them.
    Generated,
    /// Every package of the workspace, compiled with nobody else's features.
    EachAlone,
    /// A node bed from a clean clone with empty caches.
    Cold,
}

const fn step(name: &'static str, about: &'static str, work: Work) -> Step {
    Step { name, about, work: Some(work), long: None }
}

/// What comes before every other step: the programs that steps use.
pub(super) const PROGRAMS: Step = step(
    "programs",
    "the bed program and the operator",
    Work::Cargo(&[
        "build",
        "--package=understudy-bed",
        "--package=understudy-operator",
        "--locked",
    ]),
);

const STORY: &[&str] = &[
    "--package=understudy-tests",
    "--test=story",
    "--",
    "--include-ignored",
    "--nocapture",
    "--test-threads=6",
];

const CRASH: &[&str] = &[
    "--package=understudy-tests",
    "--test=crash",
    "--",
    "--include-ignored",
    "--nocapture",
    "--test-threads=1",
];

const ISOLATION: &[&str] = &[
    "--package=understudy-tests",
    "--test=isolation",
    "--",
    "--include-ignored",
    "--nocapture",
    "--test-threads=1",
];

const EDGE: &[&str] = &[
    "--package=understudy-tests",
    "--test=edge",
    "--",
    "--include-ignored",
    "--nocapture",
    "--test-threads=1",
];

const GREEN: &[&str] = &[
    "--package=understudy-tests",
    "--test=green",
    "--",
    "--include-ignored",
    "--nocapture",
    "--test-threads=1",
];

const WAKE: &[&str] = &[
    "--package=understudy-tests",
    "--test=wake",
    "--",
    "--include-ignored",
    "--nocapture",
    "--test-threads=1",
];

const RACES: &[&str] = &[
    "--package=understudy-tests",
    "--test=races",
    "--",
    "--include-ignored",
    "--nocapture",
    "--test-threads=1",
];

const LIFECYCLE: &[&str] = &[
    "--package=understudy-bed",
    "--test=lifecycle",
    "--",
    "--include-ignored",
    "--test-threads=1",
    "--nocapture",
];

/// Every step. Suites that share a bed run their tests side by side; those that make beds, one by one.
pub const STEPS: [Step; 30] = [
    step("format", "rustfmt has nothing to change", Work::Cargo(&["fmt", "--all", "--check"])),
    step(
        "clippy",
        "no warning in any target",
        Work::Cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "--deny=warnings",
        ]),
    ),
    step("deny", "dependencies: bans, licences, sources, advisories", Work::Deny),
    step("generated", "generated files are fresh", Work::Generated),
    step(
        "tidy",
        "the house rules that can be checked",
        Work::Test(&["--package=understudy-tests", "--test=tidy"], None),
    ),
    step("unit", "rules and golden files", Work::Test(&["--workspace", "--lib", "--bins"], None)),
    step(
        "junit",
        "reports of a dozen test tools, counted as the tools counted",
        Work::Test(&["--package=understudy-tests", "--test=junit"], None),
    ),
    step("doc", "examples in the documentation", Work::Test(&["--workspace", "--doc"], None)),
    step(
        "control",
        "an API server's behaviour, and our schemas in it, on a control bed",
        Work::Test(
            &[
                "--package=understudy-bed",
                "--package=understudy-tests",
                "--test=control",
                "--test=api_server",
                "--",
                "--include-ignored",
            ],
            Some(Profile::Control),
        ),
    ),
    step(
        "fleet",
        "a thousand fake pods, on a fleet bed",
        Work::Test(
            &["--package=understudy-bed", "--test=fleet", "--", "--include-ignored", "--nocapture"],
            Some(Profile::Fleet),
        ),
    ),
    step(
        "node",
        "real pods, volumes, jobs, pulls and fences, on a node bed",
        Work::Test(
            &[
                "--package=understudy-bed",
                "--package=understudy-shop",
                "--package=understudy-tests",
                "--test=node",
                "--test=fences",
                "--",
                "--include-ignored",
            ],
            Some(Profile::Node),
        ),
    ),
    Step {
        name: "story",
        about: "the operator with fake pods: costs, images, edits, teardowns (long: 200 previews, 10 idle minutes)",
        work: Some(Work::Short(STORY, Some(Profile::Fleet))),
        long: Some(Work::Test(STORY, Some(Profile::Fleet))),
    },
    Step {
        name: "crash",
        about: "the operator killed, the API server failing, at writes of every story (long: at every write)",
        work: Some(Work::Short(CRASH, Some(Profile::Fleet))),
        long: Some(Work::Test(CRASH, Some(Profile::Fleet))),
    },
    Step {
        name: "edge",
        about: "the edge before pods in the test's own hands: manners, harm, streams, bounds, TLS, sleep and wake (long: h2spec)",
        work: Some(Work::Short(EDGE, Some(Profile::Control))),
        long: Some(Work::Test(EDGE, Some(Profile::Control))),
    },
    step(
        "life",
        "the shop on real pods: opened, pushed, broken, mended, closed",
        Work::Test(
            &[
                "--package=understudy-tests",
                "--test=life",
                "--",
                "--include-ignored",
                "--nocapture",
            ],
            Some(Profile::Node),
        ),
    ),
    step(
        "visit",
        "the shop behind the edge on real pods: visited while commits come, asleep and awake, closed",
        Work::Test(
            &[
                "--package=understudy-tests",
                "--test=visit",
                "--",
                "--include-ignored",
                "--nocapture",
                "--test-threads=1",
            ],
            Some(Profile::Node),
        ),
    ),
    step(
        "checks",
        "the shop with its migrations and a person with a browser: right, with a broken button, and right again",
        Work::Test(
            &[
                "--package=understudy-tests",
                "--test=checks",
                "--",
                "--include-ignored",
                "--nocapture",
                "--test-threads=1",
            ],
            Some(Profile::Node),
        ),
    ),
    Step {
        name: "green",
        about: "ways to fake a green, as real Jobs and by hand: none passes (short: half of them)",
        work: Some(Work::Short(GREEN, Some(Profile::Node))),
        long: Some(Work::Test(GREEN, Some(Profile::Node))),
    },
    Step {
        name: "wake",
        about: "sleepers woken by one write each, with fake pods (long: beside the least a wake could take)",
        work: Some(Work::Short(WAKE, Some(Profile::Fleet))),
        long: Some(Work::Test(WAKE, Some(Profile::Fleet))),
    },
    Step {
        name: "races",
        about: "requests that meet sleep, close and new edges, on real pods (long: a thousand rounds)",
        work: Some(Work::Short(RACES, Some(Profile::Node))),
        long: Some(Work::Test(RACES, Some(Profile::Node))),
    },
    Step {
        name: "peers",
        about: "the edge beside nginx and HAProxy: 20 minutes on a quiet machine",
        work: None,
        long: Some(Work::Test(
            &[
                "--package=understudy-tests",
                "--test=peers",
                "--",
                "--include-ignored",
                "--nocapture",
            ],
            Some(Profile::Control),
        )),
    },
    Step {
        name: "isolation",
        about: "a hostile pod in a preview, and thirty lives that leave nothing (short: four)",
        work: Some(Work::Short(ISOLATION, Some(Profile::Node))),
        long: Some(Work::Test(ISOLATION, Some(Profile::Node))),
    },
    step(
        "refusals",
        "what people write wrong: a sentence each, nothing made, nobody else stopped",
        Work::Test(
            &["--package=understudy-tests", "--test=refusals", "--", "--include-ignored"],
            Some(Profile::Fleet),
        ),
    ),
    Step {
        name: "mutants",
        about: "seeded bugs still fit the source (long: each is found by the test it names)",
        work: Some(Work::Test(&["--package=understudy-tests", "--test=mutants"], None)),
        long: Some(Work::Test(
            &[
                "--package=understudy-tests",
                "--test=mutants",
                "--",
                "--include-ignored",
                "--nocapture",
                "--test-threads=1",
            ],
            Some(Profile::Fleet),
        )),
    },
    Step {
        name: "fuzz",
        about: "the edge's hosts, heads, bodies and routes against a fuzzer, ten minutes each",
        work: None,
        long: Some(Work::Fuzz(600)),
    },
    step(
        "aggregate",
        "a dead aggregated API, on a bed of its own",
        Work::Test(
            &[
                "--package=understudy-tests",
                "--test=aggregate",
                "--",
                "--include-ignored",
                "--nocapture",
            ],
            None,
        ),
    ),
    step(
        "circumstances",
        "bad circumstances: one clear line each",
        Work::Test(
            &[
                "--package=understudy-bed",
                "--test=circumstances",
                "--",
                "--include-ignored",
                "--test-threads=1",
            ],
            None,
        ),
    ),
    Step {
        name: "lifecycle",
        about: "kills, crashes, side by side, nothing left (long: on every profile)",
        work: Some(Work::Short(LIFECYCLE, None)),
        long: Some(Work::Test(LIFECYCLE, None)),
    },
    Step {
        name: "alone",
        about: "each package compiles alone",
        work: None,
        long: Some(Work::EachAlone),
    },
    Step {
        name: "cold",
        about: "a node bed from a clean clone with empty caches",
        work: None,
        long: Some(Work::Cold),
    },
];
