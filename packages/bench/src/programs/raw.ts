/** The least that a server on `node:http` can do: the same answer to every request. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { serve } from "../internal/program.js"

const questions = {
  /** Serves what it is given; its `host:port`. */
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
