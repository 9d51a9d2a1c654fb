/** The suites, through the load balancer. */
import { Conformance, Report } from "@effect-oci/conformance"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import { attempt, expectNone } from "./step.js"
import type { Context } from "./step.js"

/** Runs the conformance suite of this repository. */
export const ours = ({ cluster: { authority } }: Context) =>
  Effect.gen(function*() {
    const report = yield* Conformance.run({ capabilities: { version: "1.1" }, concurrency: 4 }).pipe(
      Effect.provide(Conformance.layerUrl(`http://${authority}`)),
      Effect.provide(NodeHttpClient.layerUndici)
    )
    const problems = Report.failures(report, "must").map(({ check, outcome }) =>
      `${check.id}: ${outcome._tag === "Failed" ? outcome.reason : ""}`
    )
    yield* expectNone(problems)
    return `${report.passed} checks passed, ${report.failed} failed, ${report.skipped} skipped`
  })

/** Runs the official suite, if it is installed. */
export const official = ({ cluster: { authority } }: Context) =>
  NodePeers.missing("oci-conformance").length > 0
    ? Effect.succeed("left out: oci-conformance is not on the PATH")
    : Effect.as(attempt(NodePeers.officialSuite({ authority, version: "1.1" })), "no failure")
