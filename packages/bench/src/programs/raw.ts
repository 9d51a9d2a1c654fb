/** Runs a minimal server on `node:http`, which sends the same answer to every request. */
import { readFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { serve } from "../internal/program.js"

interface Answer {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Serves the given answer. Returns the `host:port` of the server. */
const answer = ({ body, headers }: Answer) =>
  new Promise<string>((resolve) => {
    const server = createServer((_, response) => {
      response.writeHead(200, headers)
      response.end(body)
    })
    server.listen(0, "127.0.0.1", () => resolve(`127.0.0.1:${(server.address() as AddressInfo).port}`))
  })

const questions = {
  answer,

  /** Serves the content of a file, from memory. Returns the `host:port` of the server. */
  content: async (file: string): Promise<string> => {
    const body = await readFile(file)
    return answer({ headers: { "content-length": String(body.byteLength) }, body })
  }
}

export type Questions = typeof questions

serve(questions)
