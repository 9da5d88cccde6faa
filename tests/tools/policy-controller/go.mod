// Nothing is built from it: tests install its manifests, and ours over them.
module trustwright.dev/tests/tools/policy-controller

go 1.26.0

require github.com/sigstore/policy-controller v0.15.1
