/** Runs a minimal server on `node:http`, which sends the same answer to every request. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { serve } from "../internal/program.js"

const questions = {
  /** Serves the given answer. Returns the `host:port` of the server. */
  answer: ({ body, headers }: { readonly headers: Readonly<Record<string, string>>; readonly body: Uint8Array }) =>
    new Promise<string>((resolve) => {
      const server = createServer((_, response) => {
        response.writeHead(200, headers)
        response.end(body)
      })
      server.listen(0, "127.0.0.1", () => resolve(`127.0.0.1:${(server.address() as AddressInfo).port}`))
    })
}

export type Questions = typeof questions

serve(questions)
