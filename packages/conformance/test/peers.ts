import * as NodePeers from "../src/NodePeers.js"

/** Whether a suite's peers are here. On CI they must be; elsewhere it is left out, and says so. */
export const have = (...peers: ReadonlyArray<NodePeers.Peer>): boolean => {
  const missing = NodePeers.missing(...peers)
  if (missing.length === 0) return true
  const names = missing.join(" ")
  if (process.env["CI"] === "true") throw new Error(`missing: ${names}. apt-get install ${names}`)
  process.stderr.write(`Left out, for want of ${names}: apt-get install ${names}\n`)
  return false
}
