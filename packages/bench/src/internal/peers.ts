import * as NodePeers from "@effect-oci/conformance/NodePeers"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { readFile } from "node:fs/promises"

/** Whether what is measured beside a peer must be left out, for want of it; says so aloud. */
export const leftOut = (...peers: ReadonlyArray<NodePeers.Peer>): Effect.Effect<boolean> => {
  const names = NodePeers.missing(...peers).join(" ")
  return names === ""
    ? Effect.succeed(false)
    : Effect.as(Console.warn(`Left out, for want of ${names}: apt-get install ${names}`), true)
}

/** In one second of processor time, as the kernel counts it for all that read it. */
const ticks = 100

/** Processor time that a process has used since it began, in microseconds; as Linux tells it. */
export const processorTime = (pid: number): Effect.Effect<number> =>
  Effect.map(Effect.promise(() => readFile(`/proc/${pid}/stat`, "utf8")), (stat) => {
    // The name, the second field, stands in brackets and may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    const [user, system] = [fields[11], fields[12]].map(Number)
    return ((user ?? Number.NaN) + (system ?? Number.NaN)) / ticks * 1e6
  })
