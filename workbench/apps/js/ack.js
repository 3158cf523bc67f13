// Tells the server that a frame has been painted; it sends the next one only then.
export function render({ model }) {
  model.on("msg:custom", (event) => {
    const { seq } = event.data ?? event;
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => model.send_msg({ ack: seq });
      channel.port2.postMessage(0);
    });
  });
  const mark = document.createElement("span");
  mark.style.display = "none";
  return mark;
}
