//! The parts by name: one Go module each, under `tests/bed/parts`.

use super::Part;

/// Every part there is.
pub const ALL: [&Part; 8] =
    [&KUBERNETES, &ETCD, &KWOK, &COREDNS, &KUBE_ROUTER, &PAUSE, &HELM, &H2SPEC];

macro_rules! module {
    ($folder:literal $(, $source:literal)*) => {
        &[
            ("go.mod", include_str!(concat!("../../parts/", $folder, "/go.mod"))),
            ("go.sum", include_str!(concat!("../../parts/", $folder, "/go.sum"))),
            $(($source, include_str!(concat!("../../parts/", $folder, "/", $source))),)*
        ]
    };
}

/// Every Kubernetes process and kubectl in one program, told apart by the name it is called by: they
/// share their text in memory, and one link instead of six.
pub const KUBERNETES: Part = Part {
    name: "kubernetes",
    version: "v1.36.3",
    module: module!("kubernetes", "main.go", "storage.go"),
    package: ".",
    // Without these /version says v0.0.0, and Helm and kubectl complain.
    link: "-X k8s.io/component-base/version.gitVersion=v1.36.3 \
           -X k8s.io/component-base/version.gitMajor=1 \
           -X k8s.io/component-base/version.gitMinor=36 \
           -X k8s.io/component-base/version.gitTreeState=clean \
           -X k8s.io/component-base/version.gitCommit=go-module \
           -X k8s.io/client-go/pkg/version.gitVersion=v1.36.3 \
           -X k8s.io/client-go/pkg/version.gitMajor=1 \
           -X k8s.io/client-go/pkg/version.gitMinor=36 \
           -X k8s.io/client-go/pkg/version.gitTreeState=clean \
           -X k8s.io/client-go/pkg/version.gitCommit=go-module",
    called: &[
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
        "kubelet",
        "kubectl",
        "hostpath-provisioner",
    ],
};

/// The API server's database.
pub const ETCD: Part = Part {
    name: "etcd",
    version: "v3.6.16",
    module: module!("etcd"),
    package: "go.etcd.io/etcd/server/v3",
    link: "",
    called: &[],
};

/// Fake nodes for profile `fleet`.
pub const KWOK: Part = Part {
    name: "kwok",
    version: "v0.8.0",
    module: module!("kwok"),
    package: "sigs.k8s.io/kwok/cmd/kwok",
    link: "",
    called: &[],
};

/// Cluster DNS, run as a pod of profile `node`.
pub const COREDNS: Part = Part {
    name: "coredns",
    version: "v1.15.0",
    module: module!("coredns"),
    package: "github.com/coredns/coredns",
    link: "",
    called: &[],
};

/// What enforces network policies on profile `node`.
pub const KUBE_ROUTER: Part = Part {
    name: "kube-router",
    version: "v1.6.1",
    module: module!("kube-router"),
    package: "github.com/cloudnativelabs/kube-router/cmd/kube-router",
    link: "",
    called: &[],
};

/// The process that holds a pod's namespaces.
pub const PAUSE: Part = Part {
    name: "pause",
    version: "1",
    module: &[
        ("go.mod", include_str!("../../parts/pause/go.mod")),
        ("main.go", include_str!("../../parts/pause/main.go")),
    ],
    package: ".",
    link: "",
    called: &[],
};

/// Helm: no profile needs it; `cargo bed part helm` builds it for tests of charts.
const HELM: Part = Part {
    name: "helm",
    version: "v4.3.1",
    module: module!("helm"),
    package: "helm.sh/helm/v4/cmd/helm",
    link: "",
    called: &[],
};

/// What asks a server whether it speaks HTTP/2 by the book: no profile needs it, a test of the edge does. The last
/// version that the Go module proxy has: later ones hold a `go.mod` that does not fit their number.
pub const H2SPEC: Part = Part {
    name: "h2spec",
    version: "v2.2.1",
    module: module!("h2spec"),
    package: "github.com/summerwind/h2spec/cmd/h2spec",
    link: "",
    called: &[],
};
