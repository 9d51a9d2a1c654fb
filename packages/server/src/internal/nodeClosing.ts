import type { Socket } from "node:net"

/** How long a client may take to read the last answer on its connection and to close it, in milliseconds. */
const lingering = 1000

/** Says the last thing on a connection. To close it at once would take that away from a client that is still sending. */
export const finish = (socket: Socket, text?: string): void => {
  if (text !== undefined) socket.write(text)
  socket.end()
  setTimeout(() => socket.destroy(), lingering).unref()
}
