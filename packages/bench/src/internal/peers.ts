import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as Effect from "effect/Effect"
import { readFile } from "node:fs/promises"

/** Returns whether a comparison must be left out because a program is missing. If so, prints a message. */
export const leftOut = (...peers: ReadonlyArray<NodePeers.Peer>): Effect.Effect<boolean> =>
  Effect.sync(() => !NodePeers.have(...peers))

/** The clock ticks in one second of processor time, as Linux reports it. */
const ticks = 100

/** Returns the processor time of a process since its start, as Linux reports it, in microseconds. */
export const processorTime = (pid: number): Effect.Effect<number> =>
  Effect.map(Effect.promise(() => readFile(`/proc/${pid}/stat`, "utf8")), (stat) => {
    // The second field is the name in parentheses, which may contain spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    const [user, system] = [fields[11], fields[12]].map(Number)
    return ((user ?? Number.NaN) + (system ?? Number.NaN)) / ticks * 1e6
  })
