/** A self-signed certificate for the host names in the tests. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const make = () => {
  const folder = mkdtempSync(join(tmpdir(), "certificate-"))
  const names = "subjectAltName=DNS:registry.example,DNS:proxy.example,DNS:localhost,IP:127.0.0.1"
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key"]
  try {
    execFileSync(
      "openssl",
      ["req", "-x509", ...key, "-out", "cert", "-subj", "/CN=registry.example", "-addext", names],
      {
        cwd: folder,
        stdio: "pipe"
      }
    )
    return { cert: readFileSync(join(folder, "cert"), "utf8"), key: readFileSync(join(folder, "key"), "utf8") }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export const certificate: { readonly cert: string; readonly key: string } = make()
