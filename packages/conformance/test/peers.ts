import * as NodePeers from "../src/NodePeers.js"

/** The peers that Debian has as packages, so that every CI run can install them. */
const packaged: ReadonlySet<NodePeers.Peer> = new Set(["docker-registry", "skopeo", "curl"])

/**
 * Returns whether the peers of a suite are installed. On CI a missing package is an error. Any other suite is left out
 * when a peer is missing, and standard error says so.
 */
export const have = (...peers: ReadonlyArray<NodePeers.Peer>): boolean => {
  const missing = NodePeers.missing(...peers)
  if (missing.length === 0) return true
  const names = missing.join(" ")
  const required = missing.filter((peer) => packaged.has(peer))
  if (process.env["CI"] === "true" && required.length > 0) {
    throw new Error(`missing: ${required.join(" ")}. apt-get install ${required.join(" ")}`)
  }
  process.stderr.write(`Left out, because these programs are not on the PATH: ${names}\n`)
  return false
}
